//! The entropy-coded data of a scan: stuffed zeros taken out ahead, and bits read from what is left.

const std = @import("std");
const Refusal = @import("refusal.zig").Refusal;

/// Bytes unstuffed at once.
const capacity = 16384;
/// An MCU has at most 6 blocks of 64 symbols of at most 16 + 11 bits: 1,296 bytes.
const longest_mcu = 1536;
/// Zeros behind the end of a segment: what an MCU reads there, before it is refused, and what a refill reads ahead.
const padding = longest_mcu + 64;

const step = 32;

/// One segment of a scan: up to a restart marker or the end of the scan.
pub const Segment = struct {
    data: []const u8,
    /// The next byte to unstuff; the first byte of the marker when `is_whole`.
    at: usize,
    /// Bytes without stuffing, and how many of them there are.
    filled: usize = 0,
    is_whole: bool = false,
    /// Where a reader needs more bytes for another MCU.
    enough: usize = 0,
    bytes: [capacity + padding]u8 = undefined,

    /// Begin at this byte of the data.
    pub fn begin(self: *Segment, at: usize) Refusal!Reader {
        self.at, self.filled, self.is_whole = .{ at, 0, false };
        try self.fill();
        return .{};
    }

    /// Make place for another MCU, or refuse one that has read beyond the end.  Called where `reader.at >= enough`.
    pub fn more(self: *Segment, reader: *Reader) Refusal!void {
        @branchHint(.unlikely);
        if (self.is_whole) {
            if (reader.used() > self.filled * 8) return error.Short;
            return;
        }
        // A refill reads up to 8 bytes ahead, so a reader may be behind what is filled.
        const from = @min(reader.at, self.filled);
        const kept = self.filled - from;
        std.mem.copyForwards(u8, self.bytes[0..kept], self.bytes[from..self.filled]);
        reader.at -= from;
        self.filled = kept;
        try self.fill();
    }

    /// Check that the segment was read to its last byte.
    pub fn finish(self: *Segment, reader: *Reader) Refusal!void {
        while (!self.is_whole) {
            // What is left is less than a byte and the marker, unless bytes were left over.
            if (self.filled > reader.at + 8) return error.Trailing;
            try self.more(reader);
        }
        const used = reader.used();
        if (used > self.filled * 8) return error.Short;
        if (used + 8 <= self.filled * 8) return error.Trailing;
    }

    /// Read behind the restart marker of this number, modulo 8, which has to stand at the end of the segment.
    pub fn restart(self: *Segment, reader: *Reader, number: u32) Refusal!Reader {
        try self.finish(reader);
        var at = self.at;
        while (at < self.data.len and self.data[at] == 0xFF) at += 1;
        if (at >= self.data.len) return error.Short;
        if (self.data[at] != 0xD0 + (number & 7)) return error.Restart;
        return self.begin(at + 1);
    }

    fn fill(self: *Segment) Refusal!void {
        const data = self.data;
        var at, var filled = .{ self.at, self.filled };
        while (filled + step <= capacity) {
            if (data.len - at <= step) {
                // The last bytes of the file, one by one.
                if (at >= data.len) return error.Short;
                if (data[at] != 0xFF) {
                    self.bytes[filled] = data[at];
                    filled += 1;
                    at += 1;
                    continue;
                }
            } else {
                const vector: @Vector(step, u8) = data[at..][0..step].*;
                self.bytes[filled..][0..step].* = vector;
                const found: u32 = @bitCast(vector == @as(@Vector(step, u8), @splat(0xFF)));
                const count = @ctz(found);
                at += count;
                filled += count;
                if (found == 0) continue;
            }
            // Here is FF.
            if (at + 1 >= data.len) return error.Short;
            if (data[at + 1] != 0) {
                try self.end(at, filled);
                return;
            }
            self.bytes[filled] = 0xFF;
            filled += 1;
            at += 2;
        }
        self.at, self.filled, self.enough = .{ at, filled, filled - longest_mcu };
    }

    fn end(self: *Segment, at: usize, filled: usize) Refusal!void {
        var behind = at;
        while (behind < self.data.len and self.data[behind] == 0xFF) behind += 1;
        if (behind >= self.data.len) return error.Short;
        // FF FF 00 is neither data nor a marker.
        if (self.data[behind] == 0) return error.Code;
        @memset(self.bytes[filled..][0..padding], 0);
        self.at, self.filled, self.is_whole, self.enough = .{ at, filled, true, filled };
    }
};

/// Where the bits are read.  A copy of it stays in registers while an MCU is decoded.
pub const Reader = struct {
    /// The next byte to load.
    at: usize = 0,
    /// The next bits, the first one highest.
    bits: u64 = 0,
    /// How many of them are valid; those below are 0 or the bits that follow in truth.
    count: u32 = 0,

    /// Make at least 56 bits valid.  Wrapping: `count` is at most 63, because `take` never takes more than there are.
    pub inline fn refill(self: *Reader, bytes: []const u8) void {
        const word = std.mem.readInt(u64, bytes[self.at..][0..8], .big);
        self.bits |= word >> @as(u6, @truncate(self.count));
        self.at +%= (63 -% self.count) >> 3;
        self.count |= 56;
    }

    pub inline fn peek(self: *const Reader, comptime size: u6) usize {
        return @intCast(self.bits >> (64 - @as(u7, size)));
    }

    /// Take bits off; the caller knows that there are so many since the last refill.
    pub inline fn take(self: *Reader, count: u6) void {
        self.bits <<= count;
        self.count -%= count;
    }

    /// Take bits off as a number; up to 32.
    pub inline fn number(self: *Reader, count: u6) u32 {
        const found: u32 = @intCast((self.bits >> 32) >> @as(u6, 32) -% count);
        self.take(count);
        return found;
    }

    /// Bits read since the segment's buffer begins.
    pub fn used(self: *const Reader) usize {
        return self.at * 8 - self.count;
    }
};
