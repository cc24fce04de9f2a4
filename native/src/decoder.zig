//! From the header to the planes.

const std = @import("std");
const Refusal = @import("refusal.zig").Refusal;
const Header = @import("header.zig").Header;

/// A plane of the caller.
pub const Plane = struct { samples: []u8, stride: usize, width: u32, height: u32 };

/// Bytes that `decode` takes of its allocator, with those of the header and of alignment.
pub fn room(_: *const Header, _: u32) u64 {
    return @sizeOf(Header) + 4096;
}

pub fn decode(_: *Header, _: u32, _: *[3]Plane, _: std.mem.Allocator) Refusal!void {
    return error.NotDone;
}
