/* imgsrv-jpeg: a JPEG as planes of luma and colours at N/8 of its size, reading only what that size needs.
 *
 * Nothing here allocates, opens or keeps anything: the caller gives the JPEG, the planes and the room to work in, and
 * may call from any number of threads.  Whatever is in doubt is refused with a reason; planes of a refused picture
 * hold anything.  A fault in the decoder itself (a check of bounds that fires) is a refusal too: FAULT.
 *
 * Build: python -m ziglang build-lib -dynamic -O ReleaseSafe ...; the whole command is in native/README.md.
 */
#ifndef IMGSRV_JPEG_H
#define IMGSRV_JPEG_H

#include <stddef.h>
#include <stdint.h>

/* Grows with each change that an old caller would not bear. */
#define IMGSRV_JPEG_ABI 1

/* Reasons.  0: done. Names: imgsrv_jpeg_reason(number). */
enum {
  IMGSRV_JPEG_DONE = 0,
  IMGSRV_JPEG_NOT_JPEG = 1,       /* no SOI in front */
  IMGSRV_JPEG_SHORT = 2,          /* the data end before the EOI marker, or a segment has too few bits */
  IMGSRV_JPEG_TRAILING = 3,       /* bytes behind EOI, or unused bytes in front of a marker */
  IMGSRV_JPEG_MARKER = 4,         /* a marker that is unknown, out of place, or of a wrong length */
  IMGSRV_JPEG_KIND = 5,           /* arithmetic, lossless, hierarchical, 12 bits */
  IMGSRV_JPEG_SIZE = 6,           /* no width or height, or more than the limits */
  IMGSRV_JPEG_SAMPLING = 7,       /* not grey, 4:4:4, 4:2:2, 4:2:0 or 4:4:0 */
  IMGSRV_JPEG_COLOURS = 8,        /* neither grey nor YCbCr: RGB, CMYK, unknown */
  IMGSRV_JPEG_TABLE = 9,          /* a table that is missing, redefined between scans, or bad */
  IMGSRV_JPEG_SCAN = 10,          /* a scan header, or an order of scans, that is not allowed */
  IMGSRV_JPEG_CODE = 11,          /* bits that are no code, or a value out of range */
  IMGSRV_JPEG_INDEX = 12,         /* more coefficients than a block has */
  IMGSRV_JPEG_RESTART = 13,       /* a restart marker that is missing, unexpected or out of order */
  IMGSRV_JPEG_SCANS = 14,         /* more scans than the limit */
  IMGSRV_JPEG_RANGE = 15,         /* samples far beyond black or white */
  IMGSRV_JPEG_INCOMPLETE = 16,    /* progressive scans that leave coefficients unfinished */
  IMGSRV_JPEG_SCALE = 17,         /* eighths is not 1, 2, 3 or 4 */
  IMGSRV_JPEG_PLANES = 18,        /* planes or room of other sizes than imgsrv_jpeg_header said */
  IMGSRV_JPEG_FAULT = 19,         /* a check inside the decoder fired: please report the picture */
  IMGSRV_JPEG_NOT_DONE = 20       /* this build does not decode pictures of this kind */
};

/* Flags of imgsrv_jpeg_limits. */
enum {
  IMGSRV_JPEG_TRAILING_ALLOWED = 1 /* bytes behind EOI are no reason to refuse (phones append pictures and videos) */
};

typedef struct {
  uint64_t max_pixels; /* width x height; 0: no limit but 65535 x 65535 */
  uint32_t max_scans;  /* 0: 100 */
  uint32_t flags;
} imgsrv_jpeg_limits;

typedef struct {
  uint32_t width, height;    /* pixels */
  uint32_t components;       /* 1 or 3 */
  uint32_t across, down;     /* pixels for each sample of colour: 1 or 2; 1 where grey */
  uint32_t is_progressive;   /* 0 or 1 */
  uint32_t restart_interval; /* MCUs; 0: none.  The one in force at the first scan. */
  uint32_t reserved;
  uint32_t plane_width[3];   /* samples, those of tj3DecompressToYUVPlanes8 at this scale; 0 where there is no plane */
  uint32_t plane_height[3];
  uint64_t room;             /* bytes that imgsrv_jpeg_decode needs to work in */
} imgsrv_jpeg_info;

typedef struct {
  uint8_t *data[3];     /* the first sample of each plane; NULL where there is none */
  size_t stride[3];     /* bytes from one row to the next, at least the width */
  uint32_t width[3];    /* as imgsrv_jpeg_header said */
  uint32_t height[3];
} imgsrv_jpeg_planes;

uint32_t imgsrv_jpeg_abi(void);

/* The name of a reason, [a-z_]+; "unknown" for other numbers.  Static. */
const char *imgsrv_jpeg_reason(int32_t reason);

/* Reads everything in front of the first scan's data.  limits may be NULL.  Gives a reason; *info is set where 0. */
int32_t imgsrv_jpeg_header(const uint8_t *data, size_t length, uint32_t eighths, const imgsrv_jpeg_limits *limits,
                           imgsrv_jpeg_info *info);

/* Decodes.  room: any bytes, at least info.room of them, 64-byte aligned or not.  Gives a reason.
 * Samples of a plane beyond the picture's blocks repeat the last column and row. */
int32_t imgsrv_jpeg_decode(const uint8_t *data, size_t length, uint32_t eighths, const imgsrv_jpeg_limits *limits,
                           const imgsrv_jpeg_planes *planes, uint8_t *room, size_t room_length);

/* Fires a check inside, as a fault in the decoder would: gives IMGSRV_JPEG_FAULT.  kind: 0 to 5, which check. */
int32_t imgsrv_jpeg_fire(uint32_t kind);

#endif
