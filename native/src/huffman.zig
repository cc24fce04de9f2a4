//! Tables that decode several symbols at once.

const std = @import("std");
const Refusal = @import("refusal.zig").Refusal;
const Codes = @import("header.zig").Codes;
const Reader = @import("bits.zig").Reader;

/// Bits of an index into the tables.
pub const look = 11;
const size = 1 << look;

/// Added to an index of coefficients where a block ends.
pub const end_of_block = 128;
/// Added to an index of coefficients where there is none to store; DUMP of `order.zig` is there.
pub const nowhere = 64;

/// The code and the symbol in front of some bits.  length 0: the code is longer than `look`, or there is none.
const Single = struct { symbol: u8 = 0, length: u8 = 0 };

/// Codes that are longer than `look`: of each length the first code, left-aligned in 16 bits, behind its last one.
const Canonical = struct {
    symbols: [256]u8 = undefined,
    /// behind[n]: the first 16 bits that are not a code of at most n bits.
    behind: [17]u32 = @splat(0),
    /// first[n]: the index of a symbol minus the code of n bits.
    offset: [17]i32 = @splat(0),
    singles: [size]Single = @splat(.{}),

    fn set(self: *Canonical, codes: *const Codes) Refusal!void {
        if (!codes.is_here) return error.Table;
        self.symbols = codes.symbols;
        @memset(&self.singles, .{});
        var code: u32 = 0;
        var index: u32 = 0;
        for (1..17) |length| {
            const count: u32 = codes.counts[length];
            const room = @as(u32, 1) << @intCast(length);
            self.offset[length] = @as(i32, @intCast(index)) - @as(i32, @intCast(code));
            // No code is all ones.
            if (count != 0 and code + count >= room) return error.Table;
            if (length <= look) {
                const spread = @as(usize, 1) << @intCast(look - length);
                for (0..count) |n| {
                    const single: Single = .{ .symbol = codes.symbols[index + n], .length = @intCast(length) };
                    @memset(self.singles[(code + n) * spread ..][0..spread], single);
                }
            }
            code += count;
            index += count;
            self.behind[length] = code << @intCast(16 - length);
            code <<= 1;
        }
    }

    /// The symbol of a code of any length.
    fn symbol(self: *const Canonical, reader: *Reader) Refusal!u8 {
        const single = self.singles[reader.peek(look)];
        if (single.length != 0) {
            reader.take(@intCast(single.length));
            return single.symbol;
        }
        const bits: u32 = @intCast(reader.peek(16));
        for (look + 1..17) |length| {
            if (bits < self.behind[length]) {
                reader.take(@intCast(length));
                const index = @as(i32, @intCast(bits >> @intCast(16 - length))) + self.offset[length];
                return self.symbols[@intCast(index)];
            }
        }
        return error.Code;
    }
};

/// Differences of DC.
pub const Dc = struct {
    /// The difference in the high 16 bits, the length of code and bits in the low ones; 0 where more than `look`.
    entries: [size]u32 = undefined,
    codes: Canonical = .{},

    pub fn set(self: *Dc, given: *const Codes) Refusal!void {
        try self.codes.set(given);
        for (&self.entries, 0..) |*entry, index| {
            entry.* = 0;
            const single = self.codes.singles[index];
            const length = single.length + single.symbol;
            if (single.length == 0 or length > look) continue;
            entry.* = @as(u32, length) | @as(u32, @as(u16, @bitCast(valueIn(index, single)))) << 16;
        }
    }

    /// The difference in front; 16 + 11 bits at most.
    pub inline fn difference(self: *const Dc, reader: *Reader) Refusal!i32 {
        const entry = self.entries[reader.peek(look)];
        if (entry == 0) return self.long(reader);
        reader.take(@truncate(entry));
        return @as(i32, @bitCast(entry)) >> 16;
    }

    noinline fn long(self: *const Dc, reader: *Reader) Refusal!i32 {
        @branchHint(.unlikely);
        const category = try self.codes.symbol(reader);
        if (category > 11) return error.Code;
        return if (category == 0) 0 else reader.value(@intCast(category));
    }
};

/// One or two pairs of zeros and a value.
pub const Pair = packed struct(u64) {
    /// Bits of both; 0: the first one needs more than `look`.
    length: u8,
    /// From the index of the next coefficient to those of the two values.
    first_at: u8,
    second_at: u8,
    /// To the next coefficient behind both.
    step: u8,
    first: i16,
    second: i16,
};

/// Coefficients of AC.
pub const Ac = struct {
    pairs: [size]Pair = undefined,
    /// Symbols as many as there are whole codes of, values not read: length | coefficients << 5; 0 where there is none.
    skips: [size]u16 = undefined,
    codes: Canonical = .{},

    pub fn set(self: *Ac, given: *const Codes) Refusal!void {
        try self.codes.set(given);
        for (0..size) |index| {
            self.pairs[index] = self.pair(index);
            self.skips[index] = self.skip(index);
        }
    }

    fn pair(self: *const Ac, index: usize) Pair {
        var found: Pair = .{ .length = 0, .first_at = nowhere, .second_at = nowhere, .step = 0, .first = 0, .second = 0 };
        const first = self.codes.singles[index];
        if (!isWhole(first, look)) return found;
        found.length = first.length + (first.symbol & 15);
        found.step = stepOf(first.symbol);
        if (first.symbol & 15 != 0) {
            found.first_at, found.first = .{ first.symbol >> 4, valueIn(index, first) };
            found.second_at, found.second = .{ found.first_at, found.first };
        }
        if (found.step >= end_of_block) return found;
        const rest = (index << @intCast(found.length)) & (size - 1);
        const second = self.codes.singles[rest];
        if (!isWhole(second, look - found.length)) return found;
        found.length += second.length + (second.symbol & 15);
        if (second.symbol & 15 != 0) {
            found.second_at, found.second = .{ found.step + (second.symbol >> 4), valueIn(rest, second) };
        } else {
            found.second_at = nowhere;
        }
        found.step += stepOf(second.symbol);
        return found;
    }

    fn skip(self: *const Ac, index: usize) u16 {
        var length: u16 = 0;
        var coefficients: u16 = 0;
        var rest = index;
        while (length < look) {
            const single = self.codes.singles[rest];
            if (!isValid(single) or length + single.length > look) break;
            const next = length + single.length + (single.symbol & 15);
            const step = stepOf(single.symbol);
            // So that no sum of indices looks like an end of a block.
            if (step != end_of_block and coefficients + step > 64) break;
            coefficients += step;
            length = next;
            if (step == end_of_block) break;
            rest = if (length < look) (index << @intCast(length)) & (size - 1) else 0;
        }
        return length | coefficients << 5;
    }

    /// One symbol of any length.  Gives the coefficients to go on by and the value in front of the last of them; a
    /// value of 0 is none.  At most 26 bits.
    pub noinline fn long(self: *const Ac, reader: *Reader) Refusal!struct { step: u8, value: i16 } {
        @branchHint(.unlikely);
        const symbol = try self.codes.symbol(reader);
        if (!isValid(.{ .symbol = symbol, .length = 1 })) return error.Code;
        const category = symbol & 15;
        return .{
            .step = stepOf(symbol),
            .value = if (category == 0) 0 else @intCast(reader.value(@intCast(category))),
        };
    }
};

/// True where a symbol is one of a sequential JPEG of 8 bits.
fn isValid(single: Single) bool {
    if (single.length == 0) return false;
    const category = single.symbol & 15;
    if (category == 0) return single.symbol == 0 or single.symbol == 0xF0;
    return category <= 10;
}

/// True where so many bits hold all of the symbol and its value.
fn isWhole(single: Single, bits: usize) bool {
    return isValid(single) and single.length + (single.symbol & 15) <= bits;
}

fn stepOf(symbol: u8) u8 {
    return if (symbol == 0) end_of_block else (symbol >> 4) + 1;
}

/// The value behind the code in an index that holds both.
fn valueIn(index: usize, single: Single) i16 {
    const category = single.symbol & 15;
    if (category == 0) return 0;
    const bits: i32 = @intCast((index >> @intCast(look - single.length - category)) & ((@as(usize, 1) << @intCast(category)) - 1));
    const half = @as(i32, 1) << @intCast(category - 1);
    return @intCast(if (bits < half) bits - 2 * half + 1 else bits);
}

test "the value of bits" {
    try std.testing.expectEqual(@as(i16, -1), valueIn(0, .{ .symbol = 1, .length = 2 }));
}
