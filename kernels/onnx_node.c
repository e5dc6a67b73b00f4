/* Attributes of ONNX nodes, and the constants that Constant nodes are made of; knows no operator but Constant. */
#include <limits.h>
#include <string.h>

#include "onnx_read.h"

enum { MOST_ATTRIBUTES = 64 };

/* Files older than the type field tell the kind by what is there. */
static int attribute_type(const Onnx__AttributeProto *a)
{
    if (a->has_type && a->type != ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__UNDEFINED) return (int)a->type;
    if (a->has_f) return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT;
    if (a->has_i) return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
    if (a->has_s) return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING;
    if (a->t) return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR;
    if (a->n_floats) return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS;
    if (a->n_ints) return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS;
    return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__UNDEFINED;
}

static bool read_string(struct wn_reader *r, const Onnx__AttributeProto *a, struct wn_attr *out)
{
    if (a->s.len && memchr(a->s.data, 0, a->s.len))
        return wn_reader_bad(r, "the attribute '%s' holds a zero byte", wn_show(a->name).text);
    char *s = wn_reader_take(r, a->s.len + 1, 1);
    if (!s) return false;
    if (a->s.len) memcpy(s, a->s.data, a->s.len);
    out->s = s;
    return true;
}

static void *copy_list(struct wn_reader *r, const void *from, size_t n, size_t size, int *count)
{
    if (n > INT_MAX) return wn_reader_bad(r, "an attribute has too many elements"), NULL;
    void *list = wn_reader_take(r, n, size);
    if (list && n) memcpy(list, from, n * size);
    *count = (int)n;
    return list;
}

static bool read_attribute(struct wn_reader *r, const Onnx__AttributeProto *a, struct wn_attr *out)
{
    if (!a->name || !(out->name = wn_reader_string(r, a->name)))
        return a->name ? false : wn_reader_bad(r, "an attribute has no name");
    switch (attribute_type(a)) {
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT:
        out->kind = WN_ATTR_INT;
        out->i = a->i;
        return true;
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT:
        out->kind = WN_ATTR_FLOAT;
        out->f = a->f;
        return true;
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING: out->kind = WN_ATTR_STRING; return read_string(r, a, out);
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS:
        out->kind = WN_ATTR_INTS;
        return (out->ints = copy_list(r, a->ints, a->n_ints, sizeof *a->ints, &out->n));
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS:
        out->kind = WN_ATTR_FLOATS;
        return (out->floats = copy_list(r, a->floats, a->n_floats, sizeof *a->floats, &out->n));
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR:
        out->kind = WN_ATTR_TENSOR;
        if (!a->t) return wn_reader_bad(r, "the attribute '%s' says tensor and has none", wn_show(a->name).text);
        return (out->tensor = wn_reader_tensor(r, a->t));
    default:
        wn_fail(r->err, WN_UNSUPPORTED, "the attribute '%s' is of a kind (%d) that is not read here",
                wn_show(a->name).text, attribute_type(a));
        return false;
    }
}

bool wn_reader_attributes(struct wn_reader *r, const Onnx__NodeProto *proto, struct wn_node *node)
{
    if (proto->n_attribute > MOST_ATTRIBUTES)
        return wn_reader_bad(r, "the node '%s' has %zu attributes, more than %d", wn_show(node->name).text,
                             proto->n_attribute, MOST_ATTRIBUTES);
    struct wn_attr *attrs = wn_reader_take(r, proto->n_attribute, sizeof *attrs);
    if (!attrs) return false;
    node->attrs = attrs;
    for (size_t i = 0; i < proto->n_attribute; i++) {
        if (!read_attribute(r, proto->attribute[i], &attrs[i])) return false;
        for (size_t k = 0; k < i; k++)
            if (strcmp(attrs[k].name, attrs[i].name) == 0)
                return wn_reader_bad(r, "the node '%s' has the attribute '%s' twice", wn_show(node->name).text,
                                     wn_show(attrs[i].name).text);
        node->n_attrs = (int)i + 1;
    }
    return true;
}

static struct wn_tensor *make_tensor(struct wn_reader *r, enum wn_dtype dtype, int rank, int n, const float *f,
                                     const int64_t *i)
{
    struct wn_tensor *t = wn_reader_take(r, 1, sizeof *t);
    if (!t) return NULL;
    t->dtype = dtype;
    t->shape.rank = rank;
    if (rank == 1) t->shape.dim[0] = n;
    int copied;
    if (f) t->f = copy_list(r, f, (size_t)n, sizeof *f, &copied);
    if (i) t->i = copy_list(r, i, (size_t)n, sizeof *i, &copied);
    return t->f || t->i ? t : NULL;
}

struct wn_tensor *wn_reader_constant(struct wn_reader *r, const struct wn_node *node)
{
    const struct wn_attr *a = node->n_attrs == 1 ? node->attrs : NULL;
    if (a && strcmp(a->name, "value") == 0 && a->kind == WN_ATTR_TENSOR) {
        struct wn_tensor *t = wn_reader_take(r, 1, sizeof *t);
        if (t) *t = *a->tensor;
        return t;
    }
    if (a && strcmp(a->name, "value_float") == 0 && a->kind == WN_ATTR_FLOAT)
        return make_tensor(r, WN_F32, 0, 1, &a->f, NULL);
    if (a && strcmp(a->name, "value_int") == 0 && a->kind == WN_ATTR_INT)
        return make_tensor(r, WN_I64, 0, 1, NULL, &a->i);
    if (a && strcmp(a->name, "value_floats") == 0 && a->kind == WN_ATTR_FLOATS)
        return make_tensor(r, WN_F32, 1, a->n, a->floats, NULL);
    if (a && strcmp(a->name, "value_ints") == 0 && a->kind == WN_ATTR_INTS)
        return make_tensor(r, WN_I64, 1, a->n, NULL, a->ints);
    wn_fail(r->err, WN_UNSUPPORTED, "the Constant node '%s' has no value of numbers", wn_show(node->name).text);
    return NULL;
}
