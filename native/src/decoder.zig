//! From the header to the planes.

const std = @import("std");
const Refusal = @import("refusal.zig").Refusal;
const Header = @import("header.zig").Header;
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
            @memcpy(self.samples[y * self.stride + left ..][0..count], samples[0..count]);
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
pub fn room(_: *const Header, _: u32) u64 {
    return @sizeOf(Header) + @sizeOf(sequential.Work) + 256;
}

pub fn decode(header: *Header, eighths: u32, planes: *const [3]Plane, allocator: std.mem.Allocator) Refusal!void {
    switch (eighths) {
        inline 1...4 => |n| try decodeAt(n, header, planes, allocator),
        else => return error.Scale,
    }
}

fn decodeAt(comptime n: usize, header: *Header, planes: *const [3]Plane, allocator: std.mem.Allocator) Refusal!void {
    if (header.is_progressive or header.scan.count != header.count) return error.NotDone;
    try sequential.decode(n, header, planes, allocator);
    if (try header.next() != .end) return error.Scan;
    for (header.components[0..header.count], planes[0..header.count]) |*part, *plane| {
        plane.fillEdges(part.columns * n, part.rows * n);
    }
}
