//! From the header to the planes.

const std = @import("std");
const Refusal = @import("refusal.zig").Refusal;
const Header = @import("header.zig").Header;
const progressive = @import("progressive.zig");
const sequential = @import("sequential.zig");
const transform = @import("transform.zig");

/// A plane of the caller.
pub const Plane = struct {
    samples: []u8,
    stride: usize,
    width: u32,
    height: u32,

    /// Put n rows of some blocks' samples where the first block is at this column and row of blocks.
    pub fn put(self: *const Plane, comptime n: usize, rows: *const [n][n * transform.lanes]u8, column: usize, row: usize, blocks: usize) void {
        const left = column * n;
        if (left >= self.width) return;
        const count = @min(blocks * n, self.width - left);
        for (rows, row * n..) |*samples, y| {
            if (y >= self.height) return;
            const to = self.samples[y * self.stride + left ..][0..count];
            // A whole row has a size that is known, and takes a few moves.
            if (count == samples.len) to[0..samples.len].* = samples.* else @memcpy(to, samples[0..count]);
        }
    }

    /// Repeat the last column and row of the picture's samples beyond them.
    pub fn fillEdges(self: *const Plane, width: usize, height: usize) void {
        if (width < self.width) {
            for (0..@min(height, self.height)) |y| {
                const row = self.samples[y * self.stride ..][0..self.width];
                @memset(row[width..], row[width - 1]);
            }
        }
        for (@min(height, self.height)..self.height) |y| {
            const last = self.samples[(height - 1) * self.stride ..][0..self.width];
            @memcpy(self.samples[y * self.stride ..][0..self.width], last);
        }
    }
};

/// Bytes that `decode` takes of its allocator, with those of the header and of alignment.
pub fn room(header: *const Header, eighths: u32) u64 {
    const needed: u64 = if (!header.is_progressive) @sizeOf(sequential.Work) else switch (eighths) {
        inline 1...4 => |n| progressive.room(n, header),
        else => 0,
    };
    return @sizeOf(Header) + needed + 1024;
}

pub fn decode(header: *Header, eighths: u32, planes: *const [3]Plane, allocator: std.mem.Allocator) Refusal!void {
    switch (eighths) {
        inline 1...4 => |n| try decodeAt(n, header, planes, allocator),
        else => return error.Scale,
    }
}

fn decodeAt(comptime n: usize, header: *Header, planes: *const [3]Plane, allocator: std.mem.Allocator) Refusal!void {
    if (header.is_progressive) {
        try progressive.decode(n, header, planes, allocator);
    } else {
        try decodeScans(n, header, planes, allocator);
    }
    for (header.components[0..header.count], planes[0..header.count]) |*part, *plane| {
        plane.fillEdges(part.columns * n, part.rows * n);
    }
}

/// All scans of a sequential JPEG: one with all components, or several with some of them each.
fn decodeScans(comptime n: usize, header: *Header, planes: *const [3]Plane, allocator: std.mem.Allocator) Refusal!void {
    const work = allocator.create(sequential.Work) catch return error.Planes;
    var is_decoded: [3]bool = @splat(false);
    while (true) {
        for (header.scan.components[0..header.scan.count]) |part| {
            if (is_decoded[part]) return error.Scan;
            is_decoded[part] = true;
        }
        try sequential.decode(n, header, planes, work);
        if (try header.next() == .end) break;
    }
    for (is_decoded[0..header.count]) |is| if (!is) return error.Incomplete;
}
