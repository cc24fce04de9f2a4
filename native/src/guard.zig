//! What happens when a check fires.
//!
//! The module is built in ReleaseSafe: an index out of bounds, an overflow or `unreachable` calls a function of
//! `panic`.  That must not end the engine, so every call of the interface goes through `run`, which keeps the stack
//! pointer, and `panic` goes back to it: the call gives FAULT.  Nothing is lost by that, because a call owns nothing: no
//! memory of its own, no lock, no file.  A check that fires outside of a call (there is no such code) ends the process.
//! For processors other than x86-64 and aarch64 the module does not build.
//!
//! A stack that overflows is not caught, and need not be: nothing here recurses, and the deepest call takes less than
//! 64 KiB.

const builtin = @import("builtin");

const Body = *const fn (*anyopaque) callconv(.c) void;

/// The stack pointer of the call that this thread is in; 0 outside of one.
threadlocal var stack: usize = 0;

extern fn imgsrv_jpeg_enter(call: *anyopaque, body: Body, kept: *usize) callconv(.c) void;
extern fn imgsrv_jpeg_leave(kept: usize) callconv(.c) noreturn;

/// Call body(call), and come back also where a check fires in it.
pub fn run(call: *anyopaque, body: Body) void {
    imgsrv_jpeg_enter(call, body, &stack);
    stack = 0;
}

fn leave() noreturn {
    @branchHint(.cold);
    if (stack == 0) @trap();
    imgsrv_jpeg_leave(stack);
}

/// The functions that the compiler calls, one for each kind of check.
pub const panic = struct {
    pub fn call(_: []const u8, _: ?usize) noreturn {
        leave();
    }

    pub fn sentinelMismatch(_: anytype, _: anytype) noreturn {
        leave();
    }

    pub fn unwrapError(_: anyerror) noreturn {
        leave();
    }

    pub fn outOfBounds(_: usize, _: usize) noreturn {
        leave();
    }

    pub fn startGreaterThanEnd(_: usize, _: usize) noreturn {
        leave();
    }

    pub fn inactiveUnionField(_: anytype, _: anytype) noreturn {
        leave();
    }

    pub fn sliceCastLenRemainder(_: usize) noreturn {
        leave();
    }

    pub fn reachedUnreachable() noreturn {
        leave();
    }

    pub fn unwrapNull() noreturn {
        leave();
    }

    pub fn castToNull() noreturn {
        leave();
    }

    pub fn incorrectAlignment() noreturn {
        leave();
    }

    pub fn invalidErrorCode() noreturn {
        leave();
    }

    pub fn integerOutOfBounds() noreturn {
        leave();
    }

    pub fn integerOverflow() noreturn {
        leave();
    }

    pub fn shlOverflow() noreturn {
        leave();
    }

    pub fn shrOverflow() noreturn {
        leave();
    }

    pub fn divideByZero() noreturn {
        leave();
    }

    pub fn exactDivisionRemainder() noreturn {
        leave();
    }

    pub fn integerPartOutOfBounds() noreturn {
        leave();
    }

    pub fn corruptSwitch() noreturn {
        leave();
    }

    pub fn shiftRhsTooBig() noreturn {
        leave();
    }

    pub fn invalidEnumValue() noreturn {
        leave();
    }

    pub fn forLenMismatch() noreturn {
        leave();
    }

    pub fn copyLenMismatch() noreturn {
        leave();
    }

    pub fn memcpyAlias() noreturn {
        leave();
    }

    pub fn noreturnReturned() noreturn {
        leave();
    }
};

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
