//! Why a picture is refused.  Numbers are those of imgsrv_jpeg.h.

pub const Refusal = error{
    NotJpeg,
    Short,
    Trailing,
    Marker,
    Kind,
    Size,
    Sampling,
    Colours,
    Table,
    Scan,
    Code,
    Index,
    Restart,
    Scans,
    Range,
    Incomplete,
    Scale,
    Planes,
    Fault,
    NotDone,
};

pub const names = [_][*:0]const u8{
    "done", "not_jpeg", "short",   "trailing", "marker", "kind",       "size",  "sampling", "colours", "table",    "scan",
    "code", "index",    "restart", "scans",    "range",  "incomplete", "scale", "planes",   "fault",   "not_done",
};

pub fn number(refusal: Refusal) i32 {
    return switch (refusal) {
        error.NotJpeg => 1,
        error.Short => 2,
        error.Trailing => 3,
        error.Marker => 4,
        error.Kind => 5,
        error.Size => 6,
        error.Sampling => 7,
        error.Colours => 8,
        error.Table => 9,
        error.Scan => 10,
        error.Code => 11,
        error.Index => 12,
        error.Restart => 13,
        error.Scans => 14,
        error.Range => 15,
        error.Incomplete => 16,
        error.Scale => 17,
        error.Planes => 18,
        error.Fault => 19,
        error.NotDone => 20,
    };
}
