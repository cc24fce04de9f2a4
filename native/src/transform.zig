//! From coefficients to samples: the inverse cosine transform of n × n of a block's 8 × 8 coefficients to n × n
//! samples, of 16 blocks at once.
//!
//! With c(0) = 1 and c(u) = √2 · cos((2x + 1) · u · π / 2n) a sample is 1/8 of the sum of F(u, v) · c(u) · c(v), and 128.
//! For n = 1 and 3 that is what libjpeg-turbo computes, rounded in the same places; its own 2 × 2 and 4 × 4 take more
//! coefficients and average pixels.

const std = @import("std");

pub const lanes = 16;
pub const Coefficients = @Vector(lanes, i16);
const Wide = @Vector(lanes, i32);
const Samples = @Vector(lanes, u8);

/// The largest coefficient times its quantizer, either way, and the largest result of one dimension.  Encoders make at
/// most 1,024 and half a step more.  Up to this no sum overflows: in `four` 2,048 · 4 · 3.85 < 2¹⁵, and in `three`
/// 2,048 · 3.7 · 2² · 3.7 · 2¹³ < 2³¹.
const largest = 2048;
/// The largest distance of a sample from grey.  libjpeg-turbo folds larger ones back into the range of a sample.
const farthest = 512;

/// What coefficients of n × n places are multiplied by, and how large they may be.
pub fn Quantizer(comptime n: usize) type {
    return struct {
        steps: [n * n]i16 = undefined,
        limits: [n * n]i16 = undefined,

        /// given: 1 to 65,535 each.
        pub fn of(given: *const [n * n]u16) @This() {
            var found: @This() = .{};
            for (given, &found.steps, &found.limits) |step, *kept_step, *limit| {
                // Where not even 1 is allowed, the product is of no use.
                kept_step.* = @intCast(@min(step, largest + 1));
                limit.* = @intCast(largest / step);
            }
            return found;
        }
    };
}

fn splat(number: i32) Wide {
    return @splat(number);
}

/// Transform 16 blocks.  coefficients: the n × n ones of a block, row by row, each of 16 blocks.  out: n rows of
/// samples of all blocks side by side.  False: values that are far out of range, and out holds anything.
pub fn transform(comptime n: usize, coefficients: *const [n * n][lanes]i16, quantizer: *const Quantizer(n), out: *[n][n * lanes]u8) bool {
    var products: [n * n]Coefficients = undefined;
    var outside: Coefficients = @splat(0);
    inline for (0..n * n) |index| {
        const found: Coefficients = coefficients[index];
        const limit: Coefficients = @splat(quantizer.limits[index]);
        outside |= found ^ @min(@max(found, -limit), limit);
        // Of at most 2,048, or `outside` is not 0.
        products[index] = found *% @as(Coefficients, @splat(quantizer.steps[index]));
    }
    const samples: [n * n]Coefficients = switch (n) {
        1 => .{(products[0] +% @as(Coefficients, @splat(4))) >> @splat(3)},
        2 => two(products),
        3 => three(products, &outside),
        4 => four(products, &outside),
        else => comptime unreachable,
    };
    if (@reduce(.Or, outside) != 0) return false;
    var rows: [n * n]Samples = undefined;
    inline for (samples, &rows) |sample, *row| {
        const shifted = @min(@max(sample +% @as(Coefficients, @splat(128)), @as(Coefficients, @splat(0))), @as(Coefficients, @splat(255)));
        row.* = @intCast(shifted);
    }
    inline for (0..n) |y| interleave(n, rows[y * n ..][0..n], &out[y]);
    return true;
}

fn two(f: [4]Coefficients) [4]Coefficients {
    const round: Coefficients = @splat(4);
    const a, const b = .{ f[0] +% f[2] +% round, f[0] -% f[2] +% round };
    const c, const d = .{ f[1] +% f[3], f[1] -% f[3] };
    return .{ (a +% c) >> @splat(3), (a -% c) >> @splat(3), (b +% d) >> @splat(3), (b -% d) >> @splat(3) };
}

/// The product with a fraction of less than 1/2, rounded down to a whole number.
fn times(a: Coefficients, comptime number: f64) Coefficients {
    const product = @as(Wide, a) *% splat(@intFromFloat(@round(number * (1 << 16))));
    return @truncate(product >> @splat(16));
}

/// One dimension of 4.
fn fourOf(first: Coefficients, second: Coefficients, third: Coefficients, fourth: Coefficients) [4]Coefficients {
    // √2 · cos(π/8) and √2 · cos(3π/8), as 1 and what is left.
    const long, const short = .{ 1.306562965 - 1, 0.541196100 - 1 };
    const outer = second +% times(second, long) +% fourth +% times(fourth, short);
    const inner = second +% times(second, short) -% fourth -% times(fourth, long);
    const sum, const difference = .{ first +% third, first -% third };
    return .{ sum +% outer, difference +% inner, difference -% inner, sum -% outer };
}

/// Fractions of 2 bits all the way.  A result is off by less than 0.2 levels before it is rounded.
fn four(f: [16]Coefficients, outside: *Coefficients) [16]Coefficients {
    var columns: [16]Coefficients = undefined;
    inline for (0..4) |u| {
        const found = fourOf(f[u] << @splat(2), f[4 + u] << @splat(2), f[8 + u] << @splat(2), f[12 + u] << @splat(2));
        inline for (0..4) |y| {
            columns[4 * y + u] = found[y];
            outside.* |= (found[y] +% @as(Coefficients, @splat(4 * largest))) & @as(Coefficients, @splat(~@as(i16, 8 * largest - 1)));
        }
    }
    var out: [16]Coefficients = undefined;
    inline for (0..4) |y| {
        const found = fourOf(columns[4 * y], columns[4 * y + 1], columns[4 * y + 2], columns[4 * y + 3]);
        inline for (0..4) |x| out[4 * y + x] = (found[x] +% @as(Coefficients, @splat(16))) >> @splat(5);
    }
    return out;
}

// Fractions of 13 bits; the first pass keeps 2 more than whole numbers.
const fraction = 13;
const kept = 2;

fn fixed(comptime number: f64) i32 {
    return @intFromFloat(@round(number * (1 << fraction)));
}

/// One dimension of 3.  first: F(0), with the fraction and what rounds.
fn threeOf(first: Wide, second: Wide, third: Wide) [3]Wide {
    const even = third *% splat(fixed(0.707106781));
    const odd = second *% splat(fixed(1.224744871));
    return .{ first +% even +% odd, first -% even -% even, first +% even -% odd };
}

/// What libjpeg-turbo computes, rounded in the same places.
fn three(f: [9]Coefficients, outside: *Coefficients) [9]Coefficients {
    var columns: [9]Wide = undefined;
    inline for (0..3) |u| {
        const first = (@as(Wide, f[u]) << @splat(fraction)) +% splat(1 << (fraction - kept - 1));
        const found = threeOf(first, f[3 + u], f[6 + u]);
        inline for (0..3) |y| columns[3 * y + u] = found[y] >> @splat(fraction - kept);
    }
    var far: Wide = splat(0);
    var out: [9]Coefficients = undefined;
    inline for (0..3) |y| {
        const first = (columns[3 * y] +% splat(1 << (kept + 2))) << @splat(fraction);
        const found = threeOf(first, columns[3 * y + 1], columns[3 * y + 2]);
        inline for (0..3) |x| {
            const sample = found[x] >> @splat(fraction + kept + 3);
            far |= (sample +% splat(farthest)) & splat(~@as(i32, 2 * farthest - 1));
            out[3 * y + x] = @truncate(sample);
        }
    }
    // Its bits are in the low half, or its sign is set.
    outside.* |= @truncate(far | far >> @splat(16));
    return out;
}

/// Rows of samples of one column each, to a row of blocks.
fn interleave(comptime n: usize, rows: *const [n]Samples, out: *[n * lanes]u8) void {
    switch (n) {
        1 => out.* = rows[0],
        2 => out.* = std.simd.interlace(.{ rows[0], rows[1] }),
        3 => {
            // @shuffle takes two vectors: first the blocks with a place for the third sample, then that.
            const places = comptime mask: {
                var found: @Vector(3 * lanes, i32) = undefined;
                for (0..3 * lanes) |index| {
                    const block: i32 = @intCast(index / 3);
                    found[index] = if (index % 3 == 1) ~block else block;
                }
                break :mask found;
            };
            const third = comptime mask: {
                var found: @Vector(3 * lanes, i32) = undefined;
                for (0..3 * lanes) |index| {
                    const at: i32 = @intCast(index);
                    found[index] = if (index % 3 == 2) ~@as(i32, @intCast(index / 3)) else at;
                }
                break :mask found;
            };
            const both = @shuffle(u8, rows[0], rows[1], places);
            const wide = @shuffle(u8, rows[2], undefined, padded: {
                var found: @Vector(3 * lanes, i32) = @splat(0);
                for (0..lanes) |index| found[index] = @intCast(index);
                break :padded found;
            });
            out.* = @shuffle(u8, both, wide, third);
        },
        4 => {
            const even: [2 * lanes]u8 = std.simd.interlace(.{ rows[0], rows[2] });
            const odd: [2 * lanes]u8 = std.simd.interlace(.{ rows[1], rows[3] });
            out.* = std.simd.interlace(.{ @as(@Vector(2 * lanes, u8), even), @as(@Vector(2 * lanes, u8), odd) });
        },
        else => comptime unreachable,
    }
}
