/* Judges names from model files and makes them fit to be shown; knows nothing of what they name. */
#include "names.h"

#include <stdint.h>
#include <string.h>

struct wn_shown wn_show(const char *name)
{
    enum { LONGEST = 64 };
    struct wn_shown shown = {{0}};
    if (!name) name = "";
    int n = 0;
    for (; n < LONGEST && name[n]; n++) shown.text[n] = name[n] >= 0x20 && name[n] < 0x7f ? name[n] : '?';
    if (name[n]) memcpy(shown.text + LONGEST - 3, "...", 3);
    return shown;
}

/* Bytes of the UTF-8 character at s, 0 if it is none: overlong forms, surrogates and values past U+10FFFF are none. */
static int character(const unsigned char *s)
{
    static const struct {
        unsigned char mask, lead;
        int more;
        uint32_t least;
    } forms[] = {{0x80, 0x00, 0, 0x20}, {0xe0, 0xc0, 1, 0x80}, {0xf0, 0xe0, 2, 0x800}, {0xf8, 0xf0, 3, 0x10000}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if ((s[0] & forms[i].mask) != forms[i].lead) continue;
        uint32_t code = s[0] & (unsigned char)~forms[i].mask;
        for (int k = 1; k <= forms[i].more; k++) {
            if ((s[k] & 0xc0) != 0x80) return 0;
            code = code << 6 | (s[k] & 0x3f);
        }
        bool control = code == 0x7f || (code >= 0x80 && code < 0xa0), surrogate = code >= 0xd800 && code < 0xe000;
        return code < forms[i].least || control || surrogate || code > 0x10ffff ? 0 : forms[i].more + 1;
    }
    return 0;
}

bool wn_name_usable(const char *name)
{
    const unsigned char *s = (const unsigned char *)name;
    if (!*s || strnlen(name, WN_NAME_BYTES + 1) > WN_NAME_BYTES) return false;
    for (int n; *s; s += n)
        if ((n = character(s)) == 0) return false;
    return true;
}
