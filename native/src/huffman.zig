//! Tables that decode several symbols at once.

const std = @import("std");
const Refusal = @import("refusal.zig").Refusal;
const Codes = @import("header.zig").Codes;
const Reader = @import("bits.zig").Reader;

/// Bits of an index into the tables.
pub const look = 10;
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
        try check(codes, false);
        self.symbols = codes.symbols;
        @memset(&self.singles, .{});
        var code: u32 = 0;
        var index: u32 = 0;
        for (1..17) |length| {
            const count: u32 = codes.counts[length];
            self.offset[length] = @as(i32, @intCast(index)) - @as(i32, @intCast(code));
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

    /// The code in front of these bits, of any length; of length 0 where there is none.
    fn front(self: *const Canonical, bits: u64) Single {
        const found = &self.singles[@intCast(bits >> (64 - look))];
        if (found.length != 0) return found.*;
        const first: u32 = @intCast(bits >> 48);
        for (look + 1..17) |length| {
            if (first < self.behind[length]) {
                const index = @as(i32, @intCast(first >> @intCast(16 - length))) + self.offset[length];
                return .{ .symbol = self.symbols[@intCast(index)], .length = @intCast(length) };
            }
        }
        return .{};
    }
};

/// A value behind its code.  length: of both, 0 where there is no code or one of no JPEG of 8 bits.
/// In 64 bits, because the reader of the bits stays in registers only while nobody has its address.
const Long = packed struct(u64) { length: u8 = 0, step: u8 = 0, value: i16 = 0, unused: u32 = 0 };

/// Differences of DC.
pub const Dc = struct {
    /// The difference in the high 16 bits, the length of code and bits in the low ones; 0 where more than `look`.
    entries: [size]u32 = undefined,
    codes: Canonical = .{},

    pub fn set(self: *Dc, given: *const Codes) Refusal!void {
        try check(given, true);
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
        const found = &self.entries[reader.peek(look)];
        const entry = found.*;
        if (entry == 0) {
            const one = self.long(reader.bits);
            if (one.length == 0) return error.Code;
            reader.take(@truncate(one.length));
            return one.value;
        }
        reader.take(@truncate(entry));
        return @as(i32, @bitCast(entry)) >> 16;
    }

    noinline fn long(self: *const Dc, bits: u64) Long {
        @branchHint(.unlikely);
        const single = self.codes.front(bits);
        if (single.length == 0 or single.symbol > 11) return .{};
        return .{ .length = single.length + single.symbol, .value = valueBehind(bits, single) };
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

/// Bits of indices into the tables of `Ac`.  Large tables decode more at once, and take longer to make.
pub const Reach = struct {
    pairs: u6,
    skips: u6,

    const most: Reach = .{ .pairs = look, .skips = 12 };

    /// For a scan of so many bytes.
    pub fn of(bytes: usize) Reach {
        if (bytes < 24_000) return .{ .pairs = 8, .skips = 8 };
        if (bytes < 100_000) return .{ .pairs = 9, .skips = 10 };
        return most;
    }
};

/// Coefficients of AC.
pub const Ac = struct {
    /// From all 64 bits down to an index.
    pair_shift: u6 = undefined,
    skip_shift: u6 = undefined,
    pairs: [1 << Reach.most.pairs]Pair = undefined,
    /// Symbols as many as there are whole codes of, values not read: length | coefficients << 5; 0 where there is none.
    skips: [1 << Reach.most.skips]u16 = undefined,
    codes: Canonical = .{},

    pub fn set(self: *Ac, given: *const Codes, reach: Reach) Refusal!void {
        try self.codes.set(given);
        self.pair_shift = @intCast(64 - @as(u7, reach.pairs));
        self.skip_shift = @intCast(64 - @as(u7, reach.skips));
        for (self.pairs[0 .. @as(usize, 1) << reach.pairs], 0..) |*entry, index| {
            entry.* = self.pair(@as(u64, index) << self.pair_shift, reach.pairs);
        }
        for (self.skips[0 .. @as(usize, 1) << reach.skips], 0..) |*entry, index| {
            entry.* = self.skip(@as(u64, index) << self.skip_shift, reach.skips);
        }
    }

    // By a pointer to the entry: an index into an array that is part of something may copy the whole array first.
    pub inline fn pairAt(self: *const Ac, bits: u64) Pair {
        const entry = &self.pairs[@intCast(bits >> self.pair_shift)];
        return entry.*;
    }

    pub inline fn skipAt(self: *const Ac, bits: u64) u16 {
        const entry = &self.skips[@intCast(bits >> self.skip_shift)];
        return entry.*;
    }

    fn singleAt(self: *const Ac, bits: u64) Single {
        const entry = &self.codes.singles[@intCast(bits >> (64 - look))];
        return entry.*;
    }

    /// The pairs in front of so many known bits.
    fn pair(self: *const Ac, bits: u64, known: u8) Pair {
        var found: Pair = .{ .length = 0, .first_at = nowhere, .second_at = nowhere, .step = 0, .first = 0, .second = 0 };
        const first = self.singleAt(bits);
        if (!isWhole(first, known)) return found;
        found.length = first.length + (first.symbol & 15);
        found.step = stepOf(first.symbol);
        if (first.symbol & 15 != 0) {
            found.first_at, found.first = .{ first.symbol >> 4, valueBehind(bits, first) };
            found.second_at, found.second = .{ found.first_at, found.first };
        }
        if (found.step >= end_of_block) return found;
        const rest = bits << @intCast(found.length);
        const second = self.singleAt(rest);
        if (!isWhole(second, known - found.length)) return found;
        found.length += second.length + (second.symbol & 15);
        if (second.symbol & 15 != 0) {
            found.second_at, found.second = .{ found.step + (second.symbol >> 4), valueBehind(rest, second) };
        } else {
            found.second_at = nowhere;
        }
        found.step += stepOf(second.symbol);
        return found;
    }

    /// The symbols in front of so many known bits.
    fn skip(self: *const Ac, bits: u64, known: u8) u16 {
        var length: u16 = 0;
        var coefficients: u16 = 0;
        while (length < known) {
            const single = self.singleAt(bits << @intCast(length));
            if (!isValid(single) or length + single.length > known) break;
            const step = stepOf(single.symbol);
            // So that no sum of indices looks like an end of a block.
            if (step != end_of_block and coefficients + step > 64) break;
            coefficients += step;
            length += single.length + (single.symbol & 15);
            if (step == end_of_block) break;
        }
        return length | coefficients << 5;
    }

    /// One symbol of any length: the coefficients to go on by and the value in front of the last of them, 0 for none.
    /// At most 26 bits.
    pub inline fn one(self: *const Ac, reader: *Reader) Refusal!Long {
        const found = self.long(reader.bits);
        if (found.length == 0) return error.Code;
        reader.take(@truncate(found.length));
        return found;
    }

    noinline fn long(self: *const Ac, bits: u64) Long {
        @branchHint(.unlikely);
        const single = self.codes.front(bits);
        if (!isValid(single)) return .{};
        const length = single.length + (single.symbol & 15);
        return .{ .length = length, .step = stepOf(single.symbol), .value = valueBehind(bits, single) };
    }
};

/// Symbols of bands of AC, one by one.
pub const Symbols = struct {
    pub const Entry = packed struct(u32) {
        symbol: u8 = 0,
        /// Of the code.
        length: u8 = 0,
        /// Of the code and the bits behind it; 0 where the code is longer than `look`, or there is none.
        whole: u8 = 0,
        unused: u8 = 0,
    };

    entries: [size]Entry = undefined,
    codes: Canonical = .{},

    pub fn set(self: *Symbols, given: *const Codes) Refusal!void {
        try self.codes.set(given);
        for (&self.entries, &self.codes.singles) |*entry, single| entry.* = entryOf(single);
    }

    fn entryOf(single: Single) Entry {
        if (single.length == 0) return .{};
        const category, const zeros = .{ single.symbol & 15, single.symbol >> 4 };
        // An end of a band is followed by bits of its run.
        const behind = if (category != 0) category else if (zeros == 15) 0 else zeros;
        return .{ .symbol = single.symbol, .length = single.length, .whole = single.length + behind };
    }

    /// The symbol in front, which is not taken; 31 bits with all that is behind it at most.
    pub inline fn front(self: *const Symbols, reader: *const Reader) Refusal!Entry {
        const found = &self.entries[reader.peek(look)];
        if (found.whole != 0) return found.*;
        const one = entryOf(self.long(reader.bits));
        if (one.whole == 0) return error.Code;
        return one;
    }

    noinline fn long(self: *const Symbols, bits: u64) Single {
        @branchHint(.unlikely);
        return self.codes.front(bits);
    }
};

/// Refuse a table that is missing or bad.
pub fn check(codes: *const Codes, is_dc: bool) Refusal!void {
    if (!codes.is_here) return error.Table;
    var code: u32 = 0;
    var index: usize = 0;
    for (1..17) |length| {
        const count: u32 = codes.counts[length];
        // No code is all ones.
        if (count != 0 and code + count >= @as(u32, 1) << @intCast(length)) return error.Table;
        code = (code + count) << 1;
        index += count;
    }
    if (!is_dc) return;
    // libjpeg refuses these, wherever they stand.
    for (codes.symbols[0..index]) |symbol| if (symbol > 15) return error.Table;
}

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

/// The value behind the code in front of these bits: figure F.12 of T.81.
fn valueBehind(bits: u64, single: Single) i16 {
    const category: u5 = @intCast(single.symbol & 15);
    if (category == 0) return 0;
    const behind = bits << @as(u6, @intCast(single.length));
    return @intCast(extended(@intCast(behind >> @intCast(64 - @as(u7, category))), category));
}

/// The value of a number of so many bits, at least 1.
pub inline fn extended(number: u32, category: u5) i32 {
    const half = @as(u32, 1) << (category -% 1);
    const found: i32 = @intCast(number);
    return if (number < half) found - @as(i32, @intCast(2 * half - 1)) else found;
}

/// The value behind the code in an index that holds both.
fn valueIn(index: usize, single: Single) i16 {
    return valueBehind(@as(u64, index) << (64 - look), single);
}
