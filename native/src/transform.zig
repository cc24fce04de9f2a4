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

/// The largest coefficient times its quantizer, either way.  Encoders make at most 1,024 and half a step more; up to
/// this no sum below overflows: 2,048 · 4 · 3.85 · 2¹³ · 3.85 < 2³¹.
const largest = 2048;
/// The largest distance of a sample from grey.  libjpeg-turbo folds larger ones back into the range of a sample.
const farthest = 512;

fn splat(number: i32) Wide {
    return @splat(number);
}

/// Transform 16 blocks.  coefficients: the n × n ones of a block, row by row, each of 16 blocks.  out: n rows of
/// samples of all blocks side by side.  False: values that are far out of range, and out holds anything.
pub fn transform(comptime n: usize, coefficients: *const [n * n][lanes]i16, quantizer: *const [n * n]i32, out: *[n][n * lanes]u8) bool {
    var wide: [n * n]Wide = undefined;
    var outside: Wide = splat(0);
    inline for (0..n * n) |index| {
        const found: Coefficients = coefficients[index];
        // |i16| times at most 2^15 - 1 fits.
        wide[index] = @as(Wide, found) *% splat(quantizer[index]);
        outside |= (wide[index] +% splat(largest)) & splat(~@as(i32, 2 * largest - 1));
    }
    if (@reduce(.Or, outside) != 0) return false;
    const samples: [n * n]Wide = switch (n) {
        1 => .{(wide[0] +% splat(4)) >> @splat(3)},
        2 => two(wide),
        3 => three(wide),
        4 => four(wide),
        else => comptime unreachable,
    };
    var rows: [n * n]Samples = undefined;
    inline for (samples, &rows) |sample, *row| {
        outside |= (sample +% splat(farthest)) & splat(~@as(i32, 2 * farthest - 1));
        const shifted = @min(@max(sample +% splat(128), splat(0)), splat(255));
        row.* = @intCast(shifted);
    }
    if (@reduce(.Or, outside) != 0) return false;
    inline for (0..n) |y| interleave(n, rows[y * n ..][0..n], &out[y]);
    return true;
}

fn two(f: [4]Wide) [4]Wide {
    const a, const b = .{ f[0] +% f[2] +% splat(4), f[0] -% f[2] +% splat(4) };
    const c, const d = .{ f[1] +% f[3], f[1] -% f[3] };
    return .{ (a +% c) >> @splat(3), (a -% c) >> @splat(3), (b +% d) >> @splat(3), (b -% d) >> @splat(3) };
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

fn three(f: [9]Wide) [9]Wide {
    var columns: [9]Wide = undefined;
    inline for (0..3) |u| {
        const first = (f[u] << @splat(fraction)) +% splat(1 << (fraction - kept - 1));
        const found = threeOf(first, f[3 + u], f[6 + u]);
        inline for (0..3) |y| columns[3 * y + u] = found[y] >> @splat(fraction - kept);
    }
    var out: [9]Wide = undefined;
    inline for (0..3) |y| {
        const first = (columns[3 * y] +% splat(1 << (kept + 2))) << @splat(fraction);
        const found = threeOf(first, columns[3 * y + 1], columns[3 * y + 2]);
        inline for (0..3) |x| out[3 * y + x] = found[x] >> @splat(fraction + kept + 3);
    }
    return out;
}

/// One dimension of 4; first and third carry the fraction, and first what rounds.
fn fourOf(first: Wide, second: Wide, third: Wide, fourth: Wide) [4]Wide {
    const long, const short = .{ splat(fixed(1.306562965)), splat(fixed(0.541196100)) };
    const outer, const inner = .{ second *% long +% fourth *% short, second *% short -% fourth *% long };
    const sum, const difference = .{ first +% third, first -% third };
    return .{ sum +% outer, difference +% inner, difference -% inner, sum -% outer };
}

fn four(f: [16]Wide) [16]Wide {
    var columns: [16]Wide = undefined;
    inline for (0..4) |u| {
        const first = (f[u] << @splat(fraction)) +% splat(1 << (fraction - kept - 1));
        const found = fourOf(first, f[4 + u], f[8 + u] << @splat(fraction), f[12 + u]);
        inline for (0..4) |y| columns[4 * y + u] = found[y] >> @splat(fraction - kept);
    }
    var out: [16]Wide = undefined;
    inline for (0..4) |y| {
        const first = (columns[4 * y] +% splat(1 << (kept + 2))) << @splat(fraction);
        const third = columns[4 * y + 2] << @splat(fraction);
        const found = fourOf(first, columns[4 * y + 1], third, columns[4 * y + 3]);
        inline for (0..4) |x| out[4 * y + x] = found[x] >> @splat(fraction + kept + 3);
    }
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
