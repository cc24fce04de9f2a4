//! A scan of a sequential JPEG: coefficients of some MCUs, their transform, and on.

const std = @import("std");
const Refusal = @import("refusal.zig").Refusal;
const Header = @import("header.zig").Header;
const Component = @import("header.zig").Component;
const bits = @import("bits.zig");
const huffman = @import("huffman.zig");
const Order = @import("order.zig").Order;
const transform = @import("transform.zig");
const Plane = @import("decoder.zig").Plane;

const lanes = transform.lanes;

/// The bytes and tables of a scan.
pub const Work = struct {
    segment: bits.Segment,
    dc: [4]huffman.Dc,
    ac: [4]huffman.Ac,
};

/// Blocks side by side in a batch of MCUs: 16 MCUs have at most twice as many.
const batch = lanes;
/// Groups of 16 blocks in a batch: luma of 4:2:0 has two, in two rows.
const groups = 4;

/// Coefficients of 16 blocks, and a place for those that nobody wants.
fn Group(comptime n: usize) type {
    return [Order(n).count + 1][lanes]i16;
}

/// Decode the scan in front of the header; all of its components' samples are in it.
pub fn decode(comptime n: usize, header: *Header, planes: *const [3]Plane, work: *Work) Refusal!void {
    const found = &header.scan;
    var scan: Scan(n) = .{ .header = header, .work = work, .count = found.count };
    const reach = huffman.Reach.of(header.data.len - header.at);
    for (0..found.count) |place| {
        const dc, const ac, const index = .{ found.dc_table[place], found.ac_table[place], found.components[place] };
        try work.dc[dc].set(&header.dc[dc]);
        try work.ac[ac].set(&header.ac[ac], reach);
        const part = &header.components[index];
        // A component by itself comes block by block, without those that fill an MCU.
        const is_alone = found.count == 1;
        scan.parts[place] = .{
            .dc = &work.dc[dc],
            .ac = &work.ac[ac],
            .plane = &planes[index],
            .component = part,
            .across = if (is_alone) 1 else part.across,
            .down = if (is_alone) 1 else part.down,
            .quantizer = Order(n).quantizer(&header.quantizers[part.quantizer]),
        };
    }
    work.segment.data = header.data;
    scan.reader = try work.segment.begin(header.at);
    const first, const part = .{ &header.components[found.components[0]], &scan.parts[0] };
    if (found.count == 1) {
        try scan.rows(first.columns, first.rows);
    } else {
        try scan.rows(first.filled_columns / part.across, first.filled_rows / part.down);
    }
    try work.segment.finish(&scan.reader);
    header.at = work.segment.at;
}

fn Scan(comptime n: usize) type {
    return struct {
        const Self = @This();
        const order = Order(n);

        const Part = struct {
            dc: *const huffman.Dc,
            ac: *const huffman.Ac,
            plane: *const Plane,
            component: *const Component,
            across: usize,
            down: usize,
            quantizer: transform.Quantizer(n),
            predicted: i32 = 0,
            groups: [groups]Group(n) = undefined,
        };

        header: *Header,
        work: *Work,
        count: usize,
        parts: [3]Part = undefined,
        reader: bits.Reader = .{},
        restarts: u8 = 0,

        fn rows(self: *Self, mcus_across: usize, mcus_down: usize) Refusal!void {
            const interval = self.header.restart_interval;
            var left = interval;
            for (0..mcus_down) |row| {
                var first: usize = 0;
                while (first < mcus_across) : (first += batch) {
                    const behind = @min(first + batch, mcus_across);
                    for (self.parts[0..self.count]) |*part| {
                        @memset(std.mem.sliceAsBytes(part.groups[0 .. part.across * part.down]), 0);
                    }
                    var at = first;
                    while (at < behind) {
                        if (interval != 0 and left == 0) {
                            try self.restart();
                            left = interval;
                        }
                        const run = if (interval != 0) @min(behind - at, left) else behind - at;
                        try self.mcus(at - first, run);
                        at += run;
                        left -%= @intCast(run);
                    }
                    try self.put(row, first, behind - first);
                }
            }
        }

        fn restart(self: *Self) Refusal!void {
            self.reader = try self.work.segment.restart(&self.reader, self.restarts);
            self.restarts +%= 1;
            for (self.parts[0..self.count]) |*part| part.predicted = 0;
        }

        /// Decode some MCUs of a row, the first of them in this place of the batch.
        fn mcus(self: *Self, first: usize, count: usize) Refusal!void {
            const segment = &self.work.segment;
            var reader = self.reader;
            for (first..first + count) |mcu| {
                for (self.parts[0..self.count]) |*part| {
                    for (0..part.down) |y| {
                        for (0..part.across) |x| {
                            // In this loop the checks cost a twentieth: sums that cannot overflow wrap, and the mask
                            // says what is so anyway, so that no index needs a check.
                            const column = mcu *% part.across +% x;
                            const group = &part.groups[(y *% part.across +% column / lanes) & (groups - 1)];
                            try block(&reader, &segment.bytes, part, group, column % lanes);
                        }
                    }
                }
                if (reader.at >= segment.enough) {
                    // A copy: nobody may have the address of the reader that the loop uses, or it is kept in memory.
                    var copy = reader;
                    try segment.more(&copy);
                    reader = copy;
                }
            }
            self.reader = reader;
        }

        inline fn block(reader: *bits.Reader, bytes: []const u8, part: *Part, group: *Group(n), lane: usize) Refusal!void {
            reader.refill(bytes);
            // 56 bits: the difference takes 27 of them at most, the first entry of the others 26.
            part.predicted +%= try part.dc.difference(reader);
            // An insane value is caught by the transform, but for one that does not fit.
            if (part.predicted != @as(i16, @truncate(part.predicted))) return error.Range;
            group[0][lane] = @truncate(part.predicted);
            var k: usize = 1;
            if (comptime order.last > 0) {
                k = try pair(reader, part.ac, group, lane, k);
                while (k <= order.last) {
                    // Two entries of 26 bits at most.
                    reader.refill(bytes);
                    k = try pair(reader, part.ac, group, lane, k);
                    if (k > order.last) break;
                    k = try pair(reader, part.ac, group, lane, k);
                }
            } else {
                k = try skip(reader, part.ac, k);
            }
            while (k < 64) {
                reader.refill(bytes);
                k = try skip(reader, part.ac, k);
                if (k >= 64) break;
                k = try skip(reader, part.ac, k);
            }
            if (k > 64 and k < huffman.end_of_block) return error.Index;
        }

        /// Read one or two coefficients from index k on.  Gives the next index; 128 and more at the end of the block.
        inline fn pair(reader: *bits.Reader, ac: *const huffman.Ac, group: *Group(n), lane: usize, k: usize) Refusal!usize {
            const found = ac.pairAt(reader.bits);
            if (found.length != 0) {
                reader.take(@truncate(found.length));
                group[order.places[k +% found.first_at]][lane] = found.first;
                group[order.places[k +% found.second_at]][lane] = found.second;
                return k +% found.step;
            }
            const one = try ac.one(reader);
            if (one.value != 0) group[order.places[k + one.step - 1]][lane] = one.value;
            return k +% one.step;
        }

        /// Read on from coefficient k, without values.  Gives the next index; 128 and more at the end of the block.
        inline fn skip(reader: *bits.Reader, ac: *const huffman.Ac, k: usize) Refusal!usize {
            const entry = ac.skipAt(reader.bits);
            const next = k +% (entry >> 5);
            // A block that is full ends, and what the entry has behind that is of another one.
            if (entry != 0 and (next <= 64 or (next >= huffman.end_of_block and next < huffman.end_of_block + 64))) {
                reader.take(@truncate(entry & 31));
                return next;
            }
            return k +% (try ac.one(reader)).step;
        }

        /// Transform a batch of this row and put its samples into the planes.
        fn put(self: *Self, row: usize, first: usize, count: usize) Refusal!void {
            for (self.parts[0..self.count]) |*part| {
                const component, const plane = .{ part.component, part.plane };
                for (0..part.down) |y| {
                    if (row * part.down + y >= component.rows) continue;
                    for (0..part.across) |x| {
                        const column = first * part.across + x * lanes;
                        const blocks = @min(component.columns -| column, count * part.across -| x * lanes, lanes);
                        if (blocks == 0) continue;
                        var out: [n][n * lanes]u8 = undefined;
                        const group = part.groups[y * part.across + x][0..order.count];
                        if (!transform.transform(n, group, &part.quantizer, &out)) return error.Range;
                        plane.put(n, &out, column, row * part.down + y, blocks);
                    }
                }
            }
        }
    };
}
