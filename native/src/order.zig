//! Where the coefficients of a block go.

const huffman = @import("huffman.zig");
const transform = @import("transform.zig");

/// Rows and columns of coefficients in zigzag order.
const zigzag = order: {
    @setEvalBranchQuota(10000);
    var found: [64][2]u8 = undefined;
    var row: i32 = 0;
    var column: i32 = 0;
    var up = true;
    for (&found) |*place| {
        place.* = .{ row, column };
        if (up) {
            if (column == 7) {
                row += 1;
                up = false;
            } else if (row == 0) {
                column += 1;
                up = false;
            } else {
                row -= 1;
                column += 1;
            }
        } else {
            if (row == 7) {
                column += 1;
                up = true;
            } else if (column == 0) {
                row += 1;
                up = true;
            } else {
                row += 1;
                column -= 1;
            }
        }
    }
    break :order found;
};

/// For n × n coefficients of a block.
pub fn Order(comptime n: usize) type {
    return struct {
        pub const count = n * n;
        /// The place of one that is not needed.
        pub const dump = count;

        /// The place of each coefficient in zigzag order: row by row, or `dump`.  Behind the 64 of a block there is
        /// `dump` for what a table says when there is no value.
        pub const places = found: {
            var result: [64 + huffman.nowhere + 64]u8 = @splat(dump);
            for (zigzag, 0..) |place, index| {
                if (place[0] < n and place[1] < n) result[index] = place[0] * n + place[1];
            }
            break :found result;
        };

        /// The ones that are needed, one bit for each index in zigzag order.
        pub const needed = found: {
            var result: u64 = 0;
            for (places[0..64], 0..) |place, index| {
                if (place != dump) result |= 1 << index;
            }
            break :found result;
        };

        /// The index in zigzag order of the last one that is needed.
        pub const last = found: {
            var result: usize = 0;
            for (places[0..64], 0..) |place, index| {
                if (place != dump) result = index;
            }
            break :found result;
        };

        /// The quantizers of the places, from those in zigzag order.
        pub fn quantizer(steps: *const [64]u16) transform.Quantizer(n) {
            var result: [count]u16 = undefined;
            for (steps, places[0..64]) |step, place| {
                if (place != dump) result[place] = step;
            }
            return .of(&result);
        }
    };
}
