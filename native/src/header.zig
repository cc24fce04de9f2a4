//! The markers of a JPEG: everything outside of entropy-coded data.  ITU-T T.81, annex B.

const std = @import("std");
const Refusal = @import("refusal.zig").Refusal;

pub const Limits = struct { max_pixels: u64, max_scans: u32, is_trailing_allowed: bool };

/// A Huffman table as its segment gives it: how many codes of each length there are, and their symbols in order.
pub const Codes = struct {
    counts: [17]u8 = @splat(0),
    symbols: [256]u8 = @splat(0),
    is_here: bool = false,
};

pub const Component = struct {
    id: u8 = 0,
    across: u8 = 1,
    down: u8 = 1,
    quantizer: u8 = 0,
    /// Blocks of the picture, those that only fill the last MCU not counted.
    columns: u32 = 0,
    rows: u32 = 0,
    /// Blocks of whole MCUs.
    filled_columns: u32 = 0,
    filled_rows: u32 = 0,
};

/// What a scan holds.  components: their indices.
pub const Scan = struct {
    count: u8 = 0,
    components: [3]u8 = @splat(0),
    dc_table: [3]u8 = @splat(0),
    ac_table: [3]u8 = @splat(0),
    first: u8 = 0,
    last: u8 = 0,
    high: u8 = 0,
    low: u8 = 0,
};

pub const Found = enum { scan, end };

pub const Header = struct {
    data: []const u8,
    limits: Limits,
    at: usize = 0,
    width: u32 = 0,
    height: u32 = 0,
    count: u8 = 0,
    components: [3]Component = @splat(.{}),
    is_progressive: bool = false,
    restart_interval: u32 = 0,
    /// In zigzag order.
    quantizers: [4][64]u16 = @splat(@splat(0)),
    has_quantizer: [4]bool = @splat(false),
    dc: [4]Codes = @splat(.{}),
    ac: [4]Codes = @splat(.{}),
    scan: Scan = .{},
    scans: u32 = 0,
    has_frame: bool = false,
    is_jfif: bool = false,
    adobe: ?u8 = null,

    /// The header of these data up to the first scan's entropy-coded data, in place: a Header is large.
    pub fn begin(self: *Header, data: []const u8, limits: Limits) Refusal!void {
        self.* = .{ .data = data, .limits = limits };
        if (data.len < 4 or data[0] != 0xFF or data[1] != 0xD8) return error.NotJpeg;
        self.at = 2;
        if (try self.next() == .end) return error.Scan;
        // Each block takes at least one bit, so no short file makes much work.
        if (self.blocks() > @as(u64, data.len) * 8) return error.Short;
    }

    pub fn blocks(self: *const Header) u64 {
        var sum: u64 = 0;
        for (self.components[0..self.count]) |part| sum += @as(u64, part.filled_columns) * part.filled_rows;
        return sum;
    }

    /// Pixels for each sample of colour.
    pub fn across(self: *const Header) u32 {
        return if (self.count == 1) 1 else self.components[0].across;
    }

    pub fn down(self: *const Header) u32 {
        return if (self.count == 1) 1 else self.components[0].down;
    }

    pub fn planeWidth(self: *const Header, part: usize, eighths: u32) u32 {
        return planeSide(self.width, self.across(), part, eighths);
    }

    pub fn planeHeight(self: *const Header, part: usize, eighths: u32) u32 {
        return planeSide(self.height, self.down(), part, eighths);
    }

    /// Read markers up to the data of a scan or the end of the picture.
    pub fn next(self: *Header) Refusal!Found {
        while (true) {
            switch (try self.marker()) {
                0xC0, 0xC1 => try self.frame(false),
                0xC2 => try self.frame(true),
                0xC4 => try self.huffman(),
                0xC3, 0xC5...0xC7, 0xC9...0xCB, 0xCC, 0xCD...0xCF => return error.Kind,
                0xD9 => {
                    if (self.at != self.data.len and !self.limits.is_trailing_allowed) return error.Trailing;
                    return .end;
                },
                0xDA => {
                    try self.startOfScan();
                    return .scan;
                },
                0xDB => try self.quantization(),
                0xDD => {
                    const body = try self.segment();
                    if (body.len != 2) return error.Marker;
                    self.restart_interval = be16(body, 0);
                },
                0xE0 => {
                    const body = try self.segment();
                    if (body.len >= 14 and std.mem.eql(u8, body[0..5], "JFIF\x00")) {
                        if (body[5] != 1) return error.Marker;
                        self.is_jfif = true;
                    }
                },
                0xEE => {
                    const body = try self.segment();
                    if (body.len >= 12 and std.mem.eql(u8, body[0..5], "Adobe")) self.adobe = body[11];
                },
                0xE1...0xED, 0xEF, 0xFE => _ = try self.segment(),
                else => return error.Marker,
            }
        }
    }

    fn marker(self: *Header) Refusal!u8 {
        if (self.at >= self.data.len) return error.Short;
        if (self.data[self.at] != 0xFF) return error.Trailing;
        while (self.at < self.data.len and self.data[self.at] == 0xFF) self.at += 1;
        if (self.at >= self.data.len) return error.Short;
        defer self.at += 1;
        return self.data[self.at];
    }

    /// The body of the segment here; the reader moves behind it.
    fn segment(self: *Header) Refusal![]const u8 {
        if (self.data.len - self.at < 2) return error.Short;
        const length = be16(self.data, self.at);
        if (length < 2) return error.Marker;
        if (self.data.len - self.at < length) return error.Short;
        defer self.at += length;
        return self.data[self.at + 2 .. self.at + length];
    }

    fn frame(self: *Header, is_progressive: bool) Refusal!void {
        if (self.has_frame) return error.Marker;
        const body = try self.segment();
        if (body.len < 6) return error.Marker;
        if (body[0] != 8) return error.Kind;
        self.height, self.width = .{ be16(body, 1), be16(body, 3) };
        if (self.height == 0 or self.width == 0 or self.height > 65500 or self.width > 65500) return error.Size;
        const pixels = @as(u64, self.width) * self.height;
        if (self.limits.max_pixels != 0 and pixels > self.limits.max_pixels) return error.Size;
        if (body[5] != 1 and body[5] != 3) return error.Colours;
        self.count = body[5];
        if (body.len != 6 + 3 * @as(usize, self.count)) return error.Marker;
        for (self.components[0..self.count], 0..) |*part, index| {
            const given = body[6 + 3 * index ..][0..3];
            part.* = .{ .id = given[0], .across = given[1] >> 4, .down = given[1] & 15, .quantizer = given[2] };
            if (part.quantizer > 3) return error.Table;
            for (self.components[0..index]) |other| if (other.id == part.id) return error.Marker;
        }
        try self.checkSampling();
        self.is_progressive, self.has_frame = .{ is_progressive, true };
    }

    fn checkSampling(self: *Header) Refusal!void {
        const luma = &self.components[0];
        if (luma.across < 1 or luma.across > 2 or luma.down < 1 or luma.down > 2) return error.Sampling;
        for (self.components[1..self.count]) |part| if (part.across != 1 or part.down != 1) return error.Sampling;
        if (self.count == 1) {
            // Without other components the factors say nothing.
            luma.across, luma.down = .{ 1, 1 };
        }
        const mcus_across = std.math.divCeil(u32, self.width, 8 * @as(u32, luma.across)) catch unreachable;
        const mcus_down = std.math.divCeil(u32, self.height, 8 * @as(u32, luma.down)) catch unreachable;
        for (self.components[0..self.count]) |*part| {
            part.filled_columns, part.filled_rows = .{ mcus_across * part.across, mcus_down * part.down };
            const side_across = 8 * @as(u32, luma.across) / part.across;
            const side_down = 8 * @as(u32, luma.down) / part.down;
            part.columns = (self.width + side_across - 1) / side_across;
            part.rows = (self.height + side_down - 1) / side_down;
        }
    }

    fn quantization(self: *Header) Refusal!void {
        var body = try self.segment();
        // A table that changes between scans is allowed in principle; no encoder is known to do it.
        if (self.scans != 0) return error.Table;
        while (body.len > 0) {
            const is_wide, const index = .{ body[0] >> 4, body[0] & 15 };
            if (is_wide > 1 or index > 3) return error.Table;
            const size: usize = if (is_wide == 1) 129 else 65;
            if (body.len < size) return error.Marker;
            for (&self.quantizers[index], 0..) |*step, place| {
                step.* = if (is_wide == 1) @intCast(be16(body, 1 + 2 * place)) else body[1 + place];
                if (step.* == 0) return error.Table;
            }
            self.has_quantizer[index] = true;
            body = body[size..];
        }
    }

    fn huffman(self: *Header) Refusal!void {
        var body = try self.segment();
        while (body.len > 0) {
            if (body.len < 17) return error.Marker;
            const kind, const index = .{ body[0] >> 4, body[0] & 15 };
            if (kind > 1 or index > 3) return error.Table;
            var count: usize = 0;
            for (body[1..17]) |number| count += number;
            if (count > 256) return error.Table;
            if (body.len < 17 + count) return error.Marker;
            const codes = if (kind == 1) &self.ac[index] else &self.dc[index];
            codes.* = .{ .is_here = true };
            @memcpy(codes.counts[1..17], body[1..17]);
            @memcpy(codes.symbols[0..count], body[17 .. 17 + count]);
            body = body[17 + count ..];
        }
    }

    fn startOfScan(self: *Header) Refusal!void {
        if (!self.has_frame) return error.Marker;
        if (self.scans == 0) try self.checkColours();
        self.scans += 1;
        if (self.scans > self.limits.max_scans) return error.Scans;
        const body = try self.segment();
        if (body.len < 1) return error.Marker;
        const count = body[0];
        if (count < 1 or count > self.count) return error.Scan;
        if (body.len != 4 + 2 * @as(usize, count)) return error.Marker;
        self.scan = .{ .count = count };
        var lowest: usize = 0;
        for (0..count) |place| {
            const id, const tables = .{ body[1 + 2 * place], body[2 + 2 * place] };
            // In the order of the frame, each once.
            const index = for (lowest..self.count) |index| {
                if (self.components[index].id == id) break index;
            } else return error.Scan;
            lowest = index + 1;
            self.scan.components[place] = @intCast(index);
            self.scan.dc_table[place], self.scan.ac_table[place] = .{ tables >> 4, tables & 15 };
            if (tables >> 4 > 3 or tables & 15 > 3) return error.Table;
            if (!self.has_quantizer[self.components[index].quantizer]) return error.Table;
        }
        const tail = body[1 + 2 * @as(usize, count) ..];
        self.scan.first, self.scan.last, self.scan.high, self.scan.low = .{ tail[0], tail[1], tail[2] >> 4, tail[2] & 15 };
        try self.checkScan();
    }

    fn checkScan(self: *const Header) Refusal!void {
        const scan = &self.scan;
        if (!self.is_progressive) {
            if (scan.first != 0 or scan.last != 63 or scan.high != 0 or scan.low != 0) return error.Scan;
            return;
        }
        if (scan.last > 63 or scan.first > scan.last) return error.Scan;
        if (scan.first == 0 and scan.last != 0) return error.Scan;
        if (scan.first != 0 and scan.count != 1) return error.Scan;
        if (scan.low > 13 or (scan.high != 0 and scan.low + 1 != scan.high)) return error.Scan;
    }

    /// Refuse three components that are not luma and two colours, by the rules of libjpeg.
    fn checkColours(self: *const Header) Refusal!void {
        if (self.count == 1 or self.is_jfif) return;
        if (self.adobe) |transform| {
            if (transform != 1) return error.Colours;
            return;
        }
        const parts = &self.components;
        // Without a word of the colours only these are clear; others are guessed.
        const is_counted = parts[0].id == 1 and parts[1].id == 2 and parts[2].id == 3;
        if (!is_counted) return error.Colours;
    }
};

fn planeSide(side: u32, factor: u32, part: usize, eighths: u32) u32 {
    const scaled = (side * eighths + 7) / 8;
    const samples = (scaled + factor - 1) / factor;
    return if (part == 0) samples * factor else samples;
}

fn be16(data: []const u8, at: usize) u32 {
    return std.mem.readInt(u16, data[at..][0..2], .big);
}
