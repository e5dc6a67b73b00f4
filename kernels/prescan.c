/* Refuses models that would hurt the unpacker or ask for what is not here; knows the wire format and a list of
 * forbidden fields, and leaves the meaning of everything else to onnx.c.
 *
 * The unpacker recurses as deep as the file nests and turns two bytes into hundreds, so both are bounded here, where
 * a bad file costs one pass over its bytes. The walk follows the unpacker's own descriptors, so the two cannot
 * disagree. */
#include "prescan.h"

#include <string.h>

#include "onnx.pb-c.h"

enum { DEEPEST = 32, WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

/* What a field costs the unpacker besides its bytes: a record of the scan, a pointer, the allocator's header. */
enum { FIELD_COST = 72 };

struct frame {
    const ProtobufCMessageDescriptor *type;
    size_t end;
    uint64_t seen; /* bit i: message field number i has been met */
};

struct scan {
    const uint8_t *data;
    size_t at;
    int depth, deepest; /* frame[depth] is open */
    struct frame frame[DEEPEST];
    int64_t nodes, most_nodes;
    uint64_t cost, most_cost;
    struct wn_error *err;
};

struct field {
    uint32_t number;
    int wire;
    uint64_t value;                      /* of a varint */
    size_t length;                       /* of bytes; they begin at scan->at */
    const ProtobufCFieldDescriptor *row; /* NULL: not in this version of the standard */
};

static const struct {
    const ProtobufCMessageDescriptor *type;
    uint32_t number;
    const char *what;
} forbidden[] = {
    {&onnx__attribute_proto__descriptor, 6, "subgraphs (If, Loop, Scan)"},
    {&onnx__attribute_proto__descriptor, 11, "subgraphs (If, Loop, Scan)"},
    {&onnx__attribute_proto__descriptor, 14, "attributes that are types"},
    {&onnx__attribute_proto__descriptor, 15, "attributes that are types"},
    {&onnx__attribute_proto__descriptor, 22, "sparse tensors"},
    {&onnx__attribute_proto__descriptor, 23, "sparse tensors"},
    {&onnx__graph_proto__descriptor, 15, "sparse tensors"},
    {&onnx__model_proto__descriptor, 25, "functions inside a model"},
    {&onnx__tensor_proto__descriptor, 3, "segmented tensors"},
    {&onnx__tensor_proto__descriptor, 13,
     "external data is not supported: save the model in one file. Tensors elsewhere"},
};

static bool malformed(struct scan *s, const char *what)
{
    wn_fail(s->err, WN_BAD_MODEL, "this is no ONNX file, or a damaged one: %s at byte %zu", what, s->at);
    return false;
}

static bool refuse(struct scan *s, const char *what)
{
    wn_fail(s->err, WN_BAD_MODEL, "%s are not supported (byte %zu of the model)", what, s->at);
    return false;
}

static bool varint(struct scan *s, uint64_t *value)
{
    *value = 0;
    for (int shift = 0; shift < 70; shift += 7) {
        if (s->at >= s->frame[s->depth].end) return malformed(s, "a number is cut off");
        uint8_t byte = s->data[s->at++];
        if (shift == 63 && byte > 1) break;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) return true;
    }
    return malformed(s, "a number has too many bytes");
}

static bool length(struct scan *s, struct field *f)
{
    uint64_t n = f->wire == WIRE_64 ? 8 : 4;
    if (f->wire == WIRE_BYTES && !varint(s, &n)) return false;
    if (n > s->frame[s->depth].end - s->at) return malformed(s, "a field is longer than what holds it");
    f->length = (size_t)n;
    return true;
}

static bool read_field(struct scan *s, struct field *f)
{
    uint64_t tag;
    *f = (struct field){0};
    if (!varint(s, &tag)) return false;
    if (tag >> 3 == 0 || tag >> 3 > 0x1fffffff) return malformed(s, "a field has no valid number");
    f->number = (uint32_t)(tag >> 3);
    f->wire = (int)(tag & 7);
    f->row = protobuf_c_message_descriptor_get_field(s->frame[s->depth].type, f->number);
    switch (f->wire) {
    case WIRE_VARINT: return varint(s, &f->value);
    case WIRE_64:
    case WIRE_BYTES:
    case WIRE_32: return length(s, f);
    default: return malformed(s, "a field has no valid type");
    }
}

static bool check_forbidden(struct scan *s, const struct field *f)
{
    const ProtobufCMessageDescriptor *type = s->frame[s->depth].type;
    for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++)
        if (forbidden[i].type == type && forbidden[i].number == f->number) return refuse(s, forbidden[i].what);
    bool elsewhere = type == &onnx__tensor_proto__descriptor && f->number == 14 && f->value != 0;
    return !elsewhere || refuse(s, "external data is not supported: save the model in one file. Tensors elsewhere");
}

static bool is_message(const struct field *f)
{
    return f->row && f->row->type == PROTOBUF_C_TYPE_MESSAGE;
}

/* An upper bound of what the unpacker will allocate. A packed number of one byte becomes one of eight. */
static uint64_t field_cost(const struct field *f)
{
    uint64_t cost = FIELD_COST + f->length;
    if (is_message(f)) return FIELD_COST + ((const ProtobufCMessageDescriptor *)f->row->descriptor)->sizeof_message;
    bool packed = f->row && f->row->label == PROTOBUF_C_LABEL_REPEATED && f->wire == WIRE_BYTES;
    bool bytes = f->row && (f->row->type == PROTOBUF_C_TYPE_STRING || f->row->type == PROTOBUF_C_TYPE_BYTES);
    bool fixed = f->row && (f->row->type == PROTOBUF_C_TYPE_FLOAT || f->row->type == PROTOBUF_C_TYPE_DOUBLE);
    if (packed && !bytes && !fixed) cost += 7 * (uint64_t)f->length;
    return cost;
}

static bool count(struct scan *s, const struct field *f)
{
    bool node = is_message(f) && f->row->descriptor == &onnx__node_proto__descriptor;
    if (node && ++s->nodes > s->most_nodes) {
        wn_fail(s->err, WN_BAD_MODEL, "the model has more than %lld nodes, the limit", (long long)s->most_nodes);
        return false;
    }
    s->cost += field_cost(f);
    if (s->cost <= s->most_cost) return true;
    wn_fail(s->err, WN_BAD_MODEL, "the model has too many elements for its size (counted up to byte %zu)", s->at);
    return false;
}

/* Merging a message that is given twice is legal in the wire format, quadratic in the unpacker, and no writer does
 * it. */
static bool check_once(struct scan *s, const struct field *f)
{
    struct frame *top = &s->frame[s->depth];
    if (f->row->label == PROTOBUF_C_LABEL_REPEATED) return true;
    uint64_t bit = f->number < 64 ? UINT64_C(1) << f->number : 0;
    if (!bit || top->seen & bit) return malformed(s, "a part is given twice");
    top->seen |= bit;
    return true;
}

static bool enter(struct scan *s, const struct field *f)
{
    if (f->wire != WIRE_BYTES) return malformed(s, "a message is not written as one");
    if (!check_once(s, f)) return false;
    if (s->depth + 1 >= s->deepest) {
        wn_fail(s->err, WN_BAD_MODEL, "the model nests deeper than %d messages (byte %zu)", s->deepest, s->at);
        return false;
    }
    s->frame[++s->depth] = (struct frame){.type = f->row->descriptor, .end = s->at + f->length};
    return true;
}

/* Strings become C strings, so a zero byte would let two names pass for one. */
static bool skip(struct scan *s, const struct field *f)
{
    bool string = f->row && f->row->type == PROTOBUF_C_TYPE_STRING && f->wire == WIRE_BYTES;
    if (string && memchr(s->data + s->at, 0, f->length)) return malformed(s, "a name holds a zero byte");
    s->at += f->length;
    return true;
}

static bool step(struct scan *s)
{
    struct field f;
    if (!read_field(s, &f) || !check_forbidden(s, &f) || !count(s, &f)) return false;
    return is_message(&f) ? enter(s, &f) : skip(s, &f);
}

enum wn_code wn_prescan(const void *data, size_t size, const ProtobufCMessageDescriptor *type,
                        const struct wn_graph_limits *limits, struct wn_error *err)
{
    struct scan s = {.data = data, .most_nodes = limits->nodes, .err = err};
    s.deepest = limits->depth > 0 && limits->depth < DEEPEST ? limits->depth : DEEPEST;
    s.most_cost = (UINT64_C(64) << 20) + 4 * (uint64_t)size;
    s.frame[0] = (struct frame){.type = type, .end = size};
    for (;;) {
        while (s.depth > 0 && s.at == s.frame[s.depth].end) s.depth--;
        if (s.at == s.frame[s.depth].end) return WN_OK;
        if (!step(&s)) return WN_BAD_MODEL;
    }
}
