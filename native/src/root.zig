//! The C interface of imgsrv_jpeg.h, and what happens when a check fires.
//!
//! The module is built in ReleaseSafe: an index out of bounds, an overflow or `unreachable` calls `panic`.  A panic
//! must not end the engine, so every call enters through `guarded`, which keeps the stack pointer, and `panic` goes
//! back to it: the call gives FAULT.  Nothing is lost by that, because a call owns nothing: no memory of its own, no
//! lock, no file.  A panic outside of a call (there is no such code) ends the process, as does one on a processor
//! other than x86-64 and aarch64, for which the module does not build.

const std = @import("std");
const builtin = @import("builtin");
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

// --- What happens when a check fires.

/// The stack pointer of the call that this thread is in; 0 outside of one.
threadlocal var stack: usize = 0;

extern fn imgsrv_jpeg_enter(call: *Call, body: *const fn (*Call) callconv(.c) void, kept: *usize) callconv(.c) void;
extern fn imgsrv_jpeg_leave(kept: usize) callconv(.c) noreturn;

fn guarded(call: *Call, body: *const fn (*Call) callconv(.c) void) i32 {
    imgsrv_jpeg_enter(call, body, &stack);
    stack = 0;
    return call.result;
}

pub const panic = std.debug.FullPanic(leave);

fn leave(_: []const u8, _: ?usize) noreturn {
    @branchHint(.cold);
    if (stack == 0) @trap();
    imgsrv_jpeg_leave(stack);
}

// enter(call, body, kept): put the registers that a callee keeps onto the stack, the stack pointer into *kept, and
// call body(call).  leave(kept): take that stack pointer, and return from enter as if body had returned.  `result` is
// FAULT until a body has set it.
comptime {
    asm (switch (builtin.cpu.arch) {
            .x86_64 =>
            \\.hidden imgsrv_jpeg_enter
            \\.hidden imgsrv_jpeg_leave
            \\.globl imgsrv_jpeg_enter
            \\.type imgsrv_jpeg_enter, @function
            \\imgsrv_jpeg_enter:
            \\  push %rbp
            \\  push %rbx
            \\  push %r12
            \\  push %r13
            \\  push %r14
            \\  push %r15
            \\  sub $8, %rsp
            \\  mov %rsp, (%rdx)
            \\  call *%rsi
            \\1:
            \\  add $8, %rsp
            \\  pop %r15
            \\  pop %r14
            \\  pop %r13
            \\  pop %r12
            \\  pop %rbx
            \\  pop %rbp
            \\  ret
            \\.globl imgsrv_jpeg_leave
            \\.type imgsrv_jpeg_leave, @function
            \\imgsrv_jpeg_leave:
            \\  mov %rdi, %rsp
            \\  cld
            \\  jmp 1b
            ,
            .aarch64 =>
            \\.hidden imgsrv_jpeg_enter
            \\.hidden imgsrv_jpeg_leave
            \\.globl imgsrv_jpeg_enter
            \\.type imgsrv_jpeg_enter, %function
            \\imgsrv_jpeg_enter:
            \\  sub sp, sp, #160
            \\  stp x29, x30, [sp, #0]
            \\  stp x19, x20, [sp, #16]
            \\  stp x21, x22, [sp, #32]
            \\  stp x23, x24, [sp, #48]
            \\  stp x25, x26, [sp, #64]
            \\  stp x27, x28, [sp, #80]
            \\  stp d8, d9, [sp, #96]
            \\  stp d10, d11, [sp, #112]
            \\  stp d12, d13, [sp, #128]
            \\  stp d14, d15, [sp, #144]
            \\  mov x9, sp
            \\  str x9, [x2]
            \\  blr x1
            \\1:
            \\  ldp x29, x30, [sp, #0]
            \\  ldp x19, x20, [sp, #16]
            \\  ldp x21, x22, [sp, #32]
            \\  ldp x23, x24, [sp, #48]
            \\  ldp x25, x26, [sp, #64]
            \\  ldp x27, x28, [sp, #80]
            \\  ldp d8, d9, [sp, #96]
            \\  ldp d10, d11, [sp, #112]
            \\  ldp d12, d13, [sp, #128]
            \\  ldp d14, d15, [sp, #144]
            \\  add sp, sp, #160
            \\  ret
            \\.globl imgsrv_jpeg_leave
            \\.type imgsrv_jpeg_leave, %function
            \\imgsrv_jpeg_leave:
            \\  mov sp, x0
            \\  b 1b
            ,
            else => @compileError("the module is written for x86-64 and aarch64"),
        });
}
