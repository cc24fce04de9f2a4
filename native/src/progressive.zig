//! The scans of a progressive JPEG that a size needs.
//!
//! The file is walked twice.  The first walk reads every marker, so that a file that is cut is noticed, and checks the
//! order of the scans; then it is known which scans matter.  A scan matters if it has bits of a coefficient that the
//! size needs, or if a later scan that matters refines coefficients of it: such a scan has bits for each of them that
//! is not 0.  The second walk decodes those.  Of coefficients that the size does not need only one bit is kept: whether
//! they are 0.
//!
//! Of a scan that does not matter these are checked: its header, its place in the order, that its tables are there and
//! good, and the number and order of its restart markers.  Its codes are not read.

const std = @import("std");
const Refusal = @import("refusal.zig").Refusal;
const header_module = @import("header.zig");
const bits = @import("bits.zig");
const huffman = @import("huffman.zig");
const Order = @import("order.zig").Order;
const transform = @import("transform.zig");
const Plane = @import("decoder.zig").Plane;

const Header = header_module.Header;
const Component = header_module.Component;
const lanes = transform.lanes;

/// Scans that are looked at; the caller's limit may be lower.
const most_scans = 1000;

/// The bytes and tables of a scan.
const Work = struct {
    segment: bits.Segment,
    dc: [3]huffman.Dc,
    ac: huffman.Symbols,
    plan: Plan,
};

/// Which scans matter.
const Plan = struct {
    /// The only component of a scan of AC.
    component: [most_scans]u8,
    /// The coefficients of a scan; 0-based in zigzag order, one bit each.
    band: [most_scans]u64,
    is_refinement: [most_scans]bool,
    matters: [most_scans]bool,
};

/// Coefficients of a component.
fn Store(comptime n: usize) type {
    return struct {
        groups: [][Order(n).count][lanes]i16 = &.{},
        /// Groups of 16 blocks in a row of blocks.
        across: usize = 0,
        /// Of each block one bit for each coefficient in zigzag order: whether it is known not to be 0.
        known: []u64 = &.{},
    };
}

/// Bytes that `decode` takes of its allocator.
pub fn room(comptime n: usize, header: *const Header) u64 {
    var sum: u64 = @sizeOf(Work) + 64;
    for (header.components[0..header.count]) |*part| {
        sum += groupsOf(part) * @sizeOf([Order(n).count][lanes]i16) + 64;
        if (n > 1) sum += blocksOf(part) * 8 + 64;
    }
    return sum;
}

fn groupsOf(part: *const Component) u64 {
    return (@as(u64, part.filled_columns) + lanes - 1) / lanes * part.filled_rows;
}

fn blocksOf(part: *const Component) u64 {
    return @as(u64, part.filled_columns) * part.filled_rows;
}

pub fn decode(comptime n: usize, header: *Header, planes: *const [3]Plane, allocator: std.mem.Allocator) Refusal!void {
    const work = allocator.create(Work) catch return error.Planes;
    try walk(n, header, &work.plan);
    var stores: [3]Store(n) = @splat(.{});
    for (header.components[0..header.count], stores[0..header.count]) |*part, *store| {
        store.across = (part.filled_columns + lanes - 1) / lanes;
        store.groups = allocator.alloc([Order(n).count][lanes]i16, groupsOf(part)) catch return error.Planes;
        @memset(std.mem.sliceAsBytes(store.groups), 0);
        if (n > 1) {
            store.known = allocator.alloc(u64, blocksOf(part)) catch return error.Planes;
            @memset(store.known, 0);
        }
    }
    try header.begin(header.data, header.limits);
    var number: usize = 0;
    while (true) : (number += 1) {
        if (work.plan.matters[number]) {
            var scan: Scan(n) = .{ .header = header, .work = work, .stores = &stores };
            try scan.decode();
        } else {
            header.at = try endOfScan(header);
        }
        if (try header.next() == .end) break;
    }
    for (header.components[0..header.count], stores[0..header.count], planes[0..header.count]) |*part, *store, *plane| {
        try put(n, header, part, store, plane);
    }
}

/// Walk over all scans, check their order, and say which of them matter.
fn walk(comptime n: usize, header: *Header, plan: *Plan) Refusal!void {
    // The bits below these are known of each coefficient; -1: nothing is.
    var low: [3][64]i8 = @splat(@splat(-1));
    var count: usize = 0;
    while (true) {
        if (count == most_scans) return error.Scans;
        const scan = &header.scan;
        for (scan.components[0..scan.count]) |part| {
            if (scan.first != 0 and low[part][0] < 0) return error.Scan;
            for (low[part][scan.first .. scan.last + 1]) |*known| {
                if (scan.high != @max(known.*, 0) or (known.* >= 0 and scan.high == 0)) return error.Scan;
                known.* = @intCast(scan.low);
            }
        }
        plan.component[count] = scan.components[0];
        plan.band[count] = bandOf(scan.first, scan.last);
        plan.is_refinement[count] = scan.high != 0;
        try checkTables(header);
        header.at = try endOfScan(header);
        count += 1;
        if (try header.next() == .end) break;
    }
    for (low[0..header.count]) |*known| {
        // Where one of the first ones is not exact, libjpeg smooths; a band behind them may be left out.
        for (known, 0..) |bit, index| if (bit > 0 or (bit < 0 and index < 10)) return error.Incomplete;
    }
    var needed: [3]u64 = @splat(Order(n).needed);
    while (count > 0) {
        count -= 1;
        const part = plan.component[count];
        plan.matters[count] = plan.band[count] == 1 or plan.band[count] & needed[part] != 0;
        if (plan.matters[count] and plan.is_refinement[count]) needed[part] |= plan.band[count];
    }
}

/// The coefficients from first to last, one bit each.
inline fn bandOf(first: usize, last: usize) u64 {
    const behind = if (last >= 63) 0 else @as(u64, 1) << @intCast(last + 1);
    return behind -% (@as(u64, 1) << @intCast(first));
}

/// Refuse a scan with a table that is missing or bad.
fn checkTables(header: *const Header) Refusal!void {
    const scan = &header.scan;
    for (0..scan.count) |place| {
        if (scan.first != 0) {
            try huffman.check(&header.ac[scan.ac_table[place]], false);
        } else if (scan.high == 0) {
            try huffman.check(&header.dc[scan.dc_table[place]], true);
        }
    }
}

/// MCUs across and down of the scan.
fn mcusOf(header: *const Header) [2]usize {
    const first = &header.components[header.scan.components[0]];
    if (header.scan.count == 1) return .{ first.columns, first.rows };
    return .{ first.filled_columns / first.across, first.filled_rows / first.down };
}

/// The place of the marker behind the scan; its restart markers are counted.
fn endOfScan(header: *const Header) Refusal!usize {
    const data = header.data;
    var at = header.at;
    var restarts: u64 = 0;
    while (std.mem.indexOfScalarPos(u8, data, at, 0xFF)) |found| {
        if (found + 1 >= data.len) return error.Short;
        at = found + 1;
        const byte = data[at];
        if (byte == 0) {
            at += 1;
        } else if (byte >= 0xD0 and byte <= 0xD7) {
            if (byte & 7 != restarts & 7) return error.Restart;
            restarts += 1;
            at += 1;
        } else if (byte != 0xFF) {
            const mcus = mcusOf(header);
            const interval = header.restart_interval;
            const expected = if (interval == 0) 0 else (@as(u64, mcus[0]) * mcus[1] - 1) / interval;
            if (restarts != expected) return error.Restart;
            return found;
        }
    }
    return error.Short;
}

fn Scan(comptime n: usize) type {
    return struct {
        const Self = @This();
        const order = Order(n);

        header: *Header,
        work: *Work,
        stores: *[3]Store(n),
        reader: bits.Reader = .{},
        /// MCUs in front of the next restart marker.
        left: u32 = 0,
        restarts: u32 = 0,
        predicted: [3]i32 = @splat(0),

        fn decode(self: *Self) Refusal!void {
            const scan = &self.header.scan;
            const segment = &self.work.segment;
            segment.data = self.header.data;
            self.left = self.header.restart_interval;
            if (scan.first != 0) {
                try self.work.ac.set(&self.header.ac[scan.ac_table[0]]);
                self.reader = try segment.begin(self.header.at);
                if (scan.high == 0) try self.bands(false) else try self.bands(true);
            } else {
                if (scan.high == 0) {
                    for (0..scan.count) |place| try self.work.dc[place].set(&self.header.dc[scan.dc_table[place]]);
                }
                self.reader = try segment.begin(self.header.at);
                if (scan.high == 0) {
                    if (scan.count == 1) try self.dcOfOne(false) else try self.dcOfAll(false);
                } else {
                    if (scan.count == 1) try self.dcOfOne(true) else try self.dcOfAll(true);
                }
            }
            try segment.finish(&self.reader);
            self.header.at = segment.at;
        }

        /// Called in front of each MCU.
        inline fn count(self: *Self) Refusal!void {
            if (self.reader.at >= self.work.segment.enough or self.left == 0) try self.between();
            self.left -= 1;
        }

        /// Make place for another MCU, or go on behind a restart marker.
        fn between(self: *Self) Refusal!void {
            if (self.reader.at >= self.work.segment.enough) try self.work.segment.more(&self.reader);
            if (self.left > 0) return;
            if (self.header.restart_interval == 0) {
                self.left = std.math.maxInt(u32);
            } else {
                try self.restart();
            }
        }

        fn restart(self: *Self) Refusal!void {
            self.reader = try self.work.segment.restart(&self.reader, self.restarts);
            self.restarts +%= 1;
            self.left = self.header.restart_interval;
            self.predicted = @splat(0);
        }

        fn dcOfOne(self: *Self, comptime is_refinement: bool) Refusal!void {
            const index = self.header.scan.components[0];
            const part = &self.header.components[index];
            for (0..part.rows) |row| {
                for (0..part.columns) |column| {
                    try self.count();
                    var reader = self.reader;
                    try self.dc(is_refinement, &reader, 0, &self.stores[index], row, column);
                    self.reader = reader;
                }
            }
        }

        /// A block of an MCU.
        const Unit = struct { place: u8, index: u8, part: *const Component, x: u8, y: u8 };

        fn dcOfAll(self: *Self, comptime is_refinement: bool) Refusal!void {
            const scan = &self.header.scan;
            const mcus = mcusOf(self.header);
            // One loop over the blocks of an MCU: the ends of three are guessed wrong more often.
            var units: [6]Unit = undefined;
            var size: usize = 0;
            for (scan.components[0..scan.count], 0..) |index, place| {
                const part = &self.header.components[index];
                for (0..part.down) |y| {
                    for (0..part.across) |x| {
                        units[size] = .{ .place = @intCast(place), .index = index, .part = part, .x = @intCast(x), .y = @intCast(y) };
                        size += 1;
                    }
                }
            }
            for (0..mcus[1]) |down| {
                for (0..mcus[0]) |across| {
                    try self.count();
                    var reader = self.reader;
                    for (units[0..size]) |*unit| {
                        const row, const column = .{ down * unit.part.down + unit.y, across * unit.part.across + unit.x };
                        try self.dc(is_refinement, &reader, unit.place, &self.stores[unit.index], row, column);
                    }
                    self.reader = reader;
                }
            }
        }

        inline fn dc(self: *Self, comptime is_refinement: bool, reader: *bits.Reader, place: usize, store: *Store(n), row: usize, column: usize) Refusal!void {
            const low: u4 = @intCast(self.header.scan.low);
            const coefficient = &store.groups[row * store.across + column / lanes][0][column % lanes];
            reader.refill(&self.work.segment.bytes);
            if (is_refinement) {
                const bit: i16 = @intCast(reader.number(1));
                coefficient.* |= bit << low;
                return;
            }
            self.predicted[place] +%= try self.work.dc[place].difference(reader);
            const value = @as(i64, self.predicted[place]) << low;
            if (value != @as(i16, @truncate(value))) return error.Range;
            coefficient.* = @intCast(value);
        }

        /// The AC of a band of all blocks of one component.
        fn bands(self: *Self, comptime is_refinement: bool) Refusal!void {
            if (n == 1) return error.Fault;
            const header = self.header;
            const scan = header.scan;
            const segment = &self.work.segment;
            const part = &header.components[scan.components[0]];
            const store = &self.stores[scan.components[0]];
            const shape: Band = .{ .first = scan.first, .last = scan.last, .all = bandOf(scan.first, scan.last), .low = @intCast(scan.low) };
            var reader = self.reader;
            // Blocks that the end of a band stands for, from the next one on.
            var run: u32 = 0;
            for (0..part.rows) |row| {
                const known = store.known[row * part.filled_columns ..][0..part.columns];
                const groups = store.groups[row * store.across ..][0..store.across];
                for (known, 0..) |*bitmap, column| {
                    if (reader.at >= segment.enough or self.left == 0) {
                        if (run != 0 and self.left == 0 and header.restart_interval != 0) return error.Index;
                        self.reader = reader;
                        try self.between();
                        reader = self.reader;
                    }
                    self.left -= 1;
                    const block: Block = .{ .group = &groups[column / lanes], .lane = column % lanes };
                    if (is_refinement) {
                        run = try refine(&reader, segment, &self.work.ac, shape, block, bitmap, run);
                    } else if (run > 0) {
                        run -= 1;
                    } else {
                        run = try first(&reader, segment, &self.work.ac, shape, block, bitmap);
                    }
                }
            }
            if (run != 0) return error.Index;
            self.reader = reader;
        }

        const Band = struct { first: usize, last: usize, all: u64, low: u4 };

        const Block = struct {
            group: *[order.count][lanes]i16,
            lane: usize,

            /// Keep a coefficient, if it is needed.  Without a branch, which would be guessed wrong.
            inline fn set(self: Block, k: usize, value: i16) void {
                var nowhere: i16 = undefined;
                const place = order.places[k];
                const there = &self.group[if (place == order.dump) 0 else place][self.lane];
                const to = if (place == order.dump) &nowhere else there;
                to.* = value;
            }
        };

        /// The first bits of a band of a block.  Gives the blocks behind it that end with it.
        inline fn first(reader: *bits.Reader, segment: *const bits.Segment, ac: *const huffman.Symbols, band: Band, block: Block, bitmap: *u64) Refusal!u32 {
            var known = bitmap.*;
            defer bitmap.* = known;
            var k = band.first;
            while (k <= band.last) : (k += 1) {
                reader.refill(&segment.bytes);
                const entry = try ac.front(reader);
                const zeros, const category = .{ entry.symbol >> 4, entry.symbol & 15 };
                const front = reader.bits << @as(u6, @truncate(entry.length));
                reader.take(@truncate(entry.whole));
                if (category != 0) {
                    k += zeros;
                    if (k > band.last) return error.Index;
                    if (category > 10) return error.Code;
                    known |= @as(u64, 1) << @intCast(k);
                    if (order.places[k] != order.dump) {
                        const number: u32 = @intCast(front >> @intCast(64 - category));
                        const shifted = huffman.extended(number, @intCast(category)) << band.low;
                        if (shifted != @as(i16, @truncate(shifted))) return error.Range;
                        block.set(k, @intCast(shifted));
                    }
                } else if (zeros == 15) {
                    k += 15;
                    if (k > band.last) return error.Index;
                } else {
                    return runOf(front, zeros) - 1;
                }
            }
            return 0;
        }

        /// The blocks that end here, with this one.
        inline fn runOf(front: u64, zeros: u8) u32 {
            const more: u32 = @intCast((front >> 32) >> @as(u6, @intCast(32 - zeros)));
            return (@as(u32, 1) << @intCast(zeros)) + more;
        }

        /// One more bit of a band of a block, where `before` blocks from this one on have ended.  Gives the blocks
        /// behind it that have.
        inline fn refine(reader: *bits.Reader, segment: *const bits.Segment, ac: *const huffman.Symbols, band: Band, block: Block, bitmap: *u64, before: u32) Refusal!u32 {
            var run = before;
            var known = bitmap.*;
            var rest = band.all;
            // Those that have a bit here, and the bits read so far, of the first one highest.
            const refined = known & band.all;
            var found: u64 = 0;
            const one = @as(i16, 1) << band.low;
            if (run == 0) {
                while (rest != 0) {
                    reader.refill(&segment.bytes);
                    const entry = try ac.front(reader);
                    const zeros, const category = .{ entry.symbol >> 4, entry.symbol & 15 };
                    const front = reader.bits << @as(u6, @truncate(entry.length));
                    reader.take(@truncate(entry.whole));
                    if (category > 1) return error.Code;
                    if (category == 0 and zeros != 15) {
                        run = runOf(front, zeros);
                        break;
                    }
                    // The place behind so many coefficients that are 0 yet.  Most of the time it is near, and a loop's
                    // end would be guessed wrong; the next four are known before the symbol is.
                    var after: [4]u64 = undefined;
                    after[0] = rest & ~known;
                    inline for (1..4) |index| after[index] = after[index - 1] & (after[index - 1] -% 1);
                    var free = select(4, &after, zeros);
                    if (zeros >= 4) {
                        free = after[3];
                        for (3..zeros) |_| free &= free -% 1;
                    }
                    if (free == 0) return error.Index;
                    const k = @ctz(free);
                    const here = @as(u64, 1) << @intCast(k);
                    found = bitsOf(reader, segment, rest & (here - 1) & known, found);
                    rest &= ~(here | (here - 1));
                    if (category == 1) {
                        known |= here;
                        block.set(k, if (front >> 63 == 1) one else -one);
                    }
                }
                bitmap.* = known;
            }
            if (run > 0) {
                found = bitsOf(reader, segment, rest & known, found);
                run -= 1;
            }
            var wanted = refined & order.needed;
            if (found != 0) {
                while (wanted != 0) : (wanted &= wanted - 1) {
                    const k = @ctz(wanted);
                    const behind: u6 = @intCast(@popCount(refined >> @intCast(k)) - 1);
                    const coefficient = &block.group[order.places[k] % order.count][block.lane];
                    const sign = coefficient.* >> 15;
                    const bit: i16 = @intCast(found >> behind & 1);
                    coefficient.* +%= ((one ^ sign) -% sign) & -%bit;
                }
            }
            return run;
        }

        /// The element of this index, modulo the size, by choices of which each is one instruction.
        inline fn select(comptime size: usize, of: *const [size]u64, index: u8) u64 {
            if (size == 1) return of[0];
            var half: [size / 2]u64 = undefined;
            inline for (&half, 0..) |*one, at| one.* = if (index & 1 != 0) of[2 * at + 1] else of[2 * at];
            return select(size / 2, &half, index >> 1);
        }

        /// Read a bit for each of these coefficients, which are not 0, behind the bits of those before them.
        inline fn bitsOf(reader: *bits.Reader, segment: *const bits.Segment, these: u64, before: u64) u64 {
            const size: u6 = @intCast(@popCount(these));
            if (size <= 24) {
                // A symbol of 31 bits at most was taken since the last refill, or none.
                if (reader.count < 24) reader.refill(&segment.bytes);
                const found = before << size | reader.bits >> 1 >> (63 - size);
                reader.take(size);
                return found;
            }
            var found = before;
            for (0..size) |_| {
                reader.refill(&segment.bytes);
                found = found << 1 | reader.number(1);
            }
            return found;
        }
    };
}

/// Transform all blocks of a component into its plane.
fn put(comptime n: usize, header: *const Header, part: *const Component, store: *const Store(n), plane: *const Plane) Refusal!void {
    const quantizer = Order(n).quantizer(&header.quantizers[part.quantizer]);
    for (0..part.rows) |row| {
        for (0..(part.columns + lanes - 1) / lanes) |group| {
            var out: [n][n * lanes]u8 = undefined;
            const coefficients = &store.groups[row * store.across + group];
            if (!transform.transform(n, coefficients, &quantizer, &out)) return error.Range;
            plane.put(n, &out, group * lanes, row, @min(part.columns - group * lanes, lanes));
        }
    }
}
