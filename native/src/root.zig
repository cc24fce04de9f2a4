//! The C interface of imgsrv_jpeg.h.  Every call runs in `guard.zig`, so that a check that fires is a refusal.

const std = @import("std");
const guard = @import("guard.zig");
const refusal = @import("refusal.zig");
const header = @import("header.zig");
const decoder = @import("decoder.zig");

const Refusal = refusal.Refusal;

const Limits = extern struct { max_pixels: u64, max_scans: u32, flags: u32 };

const Info = extern struct {
    width: u32,
    height: u32,
    components: u32,
    across: u32,
    down: u32,
    is_progressive: u32,
    restart_interval: u32,
    reserved: u32,
    plane_width: [3]u32,
    plane_height: [3]u32,
    room: u64,
};

const Planes = extern struct {
    data: [3]?[*]u8,
    stride: [3]usize,
    width: [3]u32,
    height: [3]u32,
};

const max_scans_usual = 100;

export fn imgsrv_jpeg_abi() u32 {
    return 1;
}

export fn imgsrv_jpeg_reason(number: i32) [*:0]const u8 {
    if (number < 0 or number >= refusal.names.len) return "unknown";
    return refusal.names[@intCast(number)];
}

const Call = struct {
    data: ?[*]const u8,
    length: usize,
    eighths: u32,
    limits: ?*const Limits,
    info: ?*Info = null,
    planes: ?*const Planes = null,
    room: ?[*]u8 = null,
    room_length: usize = 0,
    result: i32 = 19,
};

export fn imgsrv_jpeg_header(data: ?[*]const u8, length: usize, eighths: u32, limits: ?*const Limits, info: ?*Info) i32 {
    var call: Call = .{ .data = data, .length = length, .eighths = eighths, .limits = limits, .info = info };
    return guarded(&call, header_body);
}

export fn imgsrv_jpeg_decode(
    data: ?[*]const u8,
    length: usize,
    eighths: u32,
    limits: ?*const Limits,
    planes: ?*const Planes,
    room: ?[*]u8,
    room_length: usize,
) i32 {
    var call: Call = .{
        .data = data,
        .length = length,
        .eighths = eighths,
        .limits = limits,
        .planes = planes,
        .room = room,
        .room_length = room_length,
    };
    return guarded(&call, decode_body);
}

fn header_body(call: *Call) callconv(.c) void {
    call.result = if (read(call)) |_| 0 else |reason| refusal.number(reason);
}

fn decode_body(call: *Call) callconv(.c) void {
    call.result = if (decode(call)) |_| 0 else |reason| refusal.number(reason);
}

fn limitsOf(call: *const Call) header.Limits {
    const given: Limits = if (call.limits) |limits| limits.* else .{ .max_pixels = 0, .max_scans = 0, .flags = 0 };
    return .{
        .max_pixels = given.max_pixels,
        .max_scans = if (given.max_scans == 0) max_scans_usual else given.max_scans,
        .is_trailing_allowed = given.flags & 1 != 0,
    };
}

fn dataOf(call: *const Call) []const u8 {
    return if (call.data) |data| data[0..call.length] else &.{};
}

fn read(call: *Call) Refusal!void {
    const info = call.info orelse return error.Planes;
    if (call.eighths < 1 or call.eighths > 4) return error.Scale;
    var found: header.Header = undefined;
    try found.begin(dataOf(call), limitsOf(call));
    info.* = .{
        .width = found.width,
        .height = found.height,
        .components = found.count,
        .across = found.across(),
        .down = found.down(),
        .is_progressive = @intFromBool(found.is_progressive),
        .restart_interval = found.restart_interval,
        .reserved = 0,
        .plane_width = @splat(0),
        .plane_height = @splat(0),
        .room = decoder.room(&found, call.eighths),
    };
    for (0..found.count) |part| {
        info.plane_width[part] = found.planeWidth(part, call.eighths);
        info.plane_height[part] = found.planeHeight(part, call.eighths);
    }
}

fn decode(call: *Call) Refusal!void {
    const given = call.planes orelse return error.Planes;
    if (call.eighths < 1 or call.eighths > 4) return error.Scale;
    const room = if (call.room) |room| room[0..call.room_length] else return error.Planes;
    var memory = std.heap.FixedBufferAllocator.init(room);
    const allocator = memory.allocator();
    const found = allocator.create(header.Header) catch return error.Planes;
    try found.begin(dataOf(call), limitsOf(call));
    var planes: [3]decoder.Plane = undefined;
    for (0..found.count) |part| {
        const width, const height = .{ found.planeWidth(part, call.eighths), found.planeHeight(part, call.eighths) };
        if (given.width[part] != width or given.height[part] != height or given.stride[part] < width) return error.Planes;
        const first = given.data[part] orelse return error.Planes;
        const size = given.stride[part] * (height - 1) + width;
        planes[part] = .{ .samples = first[0..size], .stride = given.stride[part], .width = width, .height = height };
    }
    try decoder.decode(found, call.eighths, &planes, allocator);
}

/// Fires a check, as a fault in the decoder would, to try that it is survived.  Gives FAULT; kind: which check.
export fn imgsrv_jpeg_fire(kind: u32) i32 {
    var call: Call = .{ .data = null, .length = 0, .eighths = kind, .limits = null };
    return guarded(&call, fire_body);
}

fn fire_body(call: *Call) callconv(.c) void {
    call.result = @intCast(fire(call.eighths, 20));
}

/// Some calls deep, so that there is a stack to leave.
noinline fn fire(kind: u32, depth: u32) usize {
    if (depth > 0) return fire(kind, depth - 1) + depth;
    const some: [4]u8 = .{ 1, 2, 3, 4 };
    const zero = kind -| 100;
    return switch (kind) {
        0 => some[kind + 4],
        1 => some[kind..zero].len,
        2 => kind - 3,
        3 => kind / zero,
        4 => @as(u8, @intCast(kind + 252)),
        else => unreachable,
    };
}

fn guarded(call: *Call, body: *const fn (*Call) callconv(.c) void) i32 {
    guard.run(call, @ptrCast(body));
    return call.result;
}

pub const panic = guard.panic;
