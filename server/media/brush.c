/* Packing of masks into the brush's run lengths; knows the bits and nothing of what the mask shows. */
#include <media/brush.h>

#include <assert.h>

enum { VALUE_BITS = 8, CHANNELS = 4 };
static const int length_bits[4] = {3, 4, 8, 16};

struct bits {
    struct wn_buffer *out;
    struct wn_error *err;
    uint64_t held; /* the lowest n bits are not written yet */
    int n;
    enum wn_code code; /* the first failure */
    uint8_t value;     /* of the run that grows */
    uint64_t length;
};

static void put(struct bits *b, uint32_t v, int n)
{
    b->held = b->held << n | v;
    b->n += n;
    while (b->n >= 8 && b->code == WN_OK) {
        uint8_t byte = (uint8_t)(b->held >> (b->n -= 8));
        b->code = wn_buffer_append(b->out, &byte, 1, b->err);
    }
}

static void put_run(struct bits *b, uint8_t value, uint64_t length)
{
    int size = 0;
    while (length > (uint64_t)1 << length_bits[size]) size++;
    put(b, 1, 1);
    put(b, (uint32_t)size, 2);
    put(b, (uint32_t)(length - 1), length_bits[size]);
    put(b, value, VALUE_BITS);
}

static void end_run(struct bits *b)
{
    const uint64_t most = (uint64_t)1 << length_bits[3];
    for (; b->length > most && b->code == WN_OK; b->length -= most) put_run(b, b->value, most);
    if (b->length) put_run(b, b->value, b->length);
    b->length = 0;
}

static void add(struct bits *b, uint8_t value, uint64_t values)
{
    if (value != b->value) end_run(b);
    b->value = value;
    b->length += values;
}

/* Where pixel i of n begins when they are stretched to m. */
static int64_t edge(int64_t i, int64_t n, int64_t m)
{
    return (i * m + n - 1) / n;
}

static void add_row(struct bits *b, const uint8_t *row, int w, int width)
{
    for (int x = 0, end; x < w; x = end) {
        for (end = x + 1; end < w && !row[end] == !row[x];) end++;
        add(b, row[x] ? 255 : 0, (uint64_t)(edge(end, w, width) - edge(x, w, width)) * CHANNELS);
    }
}

enum wn_code wn_brush_encode(const struct wn_brush *m, struct wn_buffer *out, struct wn_error *err)
{
    struct bits b = {.out = out, .err = err, .code = WN_OK};
    assert(m->w > 0 && m->h > 0 && m->width >= m->w && m->height >= m->h && (int64_t)m->width * m->height < 1 << 30);
    put(&b, (uint32_t)m->width * (uint32_t)m->height * CHANNELS, 32);
    put(&b, VALUE_BITS - 1, 5);
    for (int i = 0; i < 4; i++) put(&b, (uint32_t)length_bits[i] - 1, 4);
    for (int y = 0; y < m->h; y++)
        for (int64_t k = edge(y, m->h, m->height); k < edge(y + 1, m->h, m->height) && b.code == WN_OK; k++)
            add_row(&b, m->mask + (size_t)y * (size_t)m->w, m->w, m->width);
    end_run(&b);
    if (b.n) put(&b, 0, 8 - b.n);
    return b.code;
}
