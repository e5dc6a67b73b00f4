/* Parts of pages; knows neither networks nor reports. */
#include "page.h"

#include "files.h"

#include <media/base64.h>
#include <string.h>

#define REPLACED "\xef\xbf\xbd"

/* What is written in a character's place; NULL: the character itself. */
static const char *stand_in(const char *s, int n, bool xml)
{
    switch (*s) {
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '&': return "&amp;";
    case '"': return "&quot;";
    case '\t': return xml ? "&#9;" : NULL;
    case '\n': return xml ? "&#10;" : NULL;
    case '\r': return xml ? "&#13;" : REPLACED;
    default: break;
    }
    if (!n || (unsigned char)*s < 0x20) return REPLACED;
    const bool none = strncmp(s, "\xef\xbf\xbe", 3) == 0 || strncmp(s, "\xef\xbf\xbf", 3) == 0; /* U+FFFE, U+FFFF */
    return xml && none ? REPLACED : NULL;
}

static void put(struct wn_text *out, const char *s, bool xml)
{
    size_t left = strlen(s);
    while (left) {
        const int n = wn_utf8_length(s, left);
        const char *instead = stand_in(s, n, xml);
        if (instead)
            wn_text_puts(out, instead);
        else
            wn_text_add(out, s, (size_t)n);
        s += n ? n : 1;
        left -= n ? (size_t)n : 1;
    }
}

void cli_page_text(struct wn_text *out, const char *s)
{
    put(out, s, false);
}

void cli_page_xml(struct wn_text *out, const char *s)
{
    put(out, s, true);
}

enum wn_code cli_page_image(struct wn_text *out, const void *data, size_t size, const char *type, const char *alt,
                            struct wn_error *err)
{
    struct wn_buffer text = {0};
    enum wn_code code = wn_base64_encode(data, size, &text, err);
    if (code != WN_OK) return code;
    wn_text_puts(out, "<img alt=\"");
    cli_page_text(out, alt);
    wn_text_printf(out, "\" src=\"data:%s;base64,", type);
    wn_text_add(out, (char *)text.data, text.size);
    wn_text_puts(out, "\">");
    wn_buffer_finish(&text);
    return WN_OK;
}

void cli_page_command(struct wn_text *out, const struct cli *c)
{
    wn_text_printf(out, "whynot %s", c->command->name);
    for (int i = 0; i < c->n_operands; i++) {
        wn_text_puts(out, " ");
        cli_page_text(out, c->operands[i]);
    }
    for (int i = 0; i < c->n_given; i++) {
        wn_text_puts(out, " --");
        cli_page_text(out, c->given[i].name);
        if (!*c->given[i].value) continue;
        wn_text_puts(out, "='");
        cli_page_text(out, c->given[i].value);
        wn_text_puts(out, "'");
    }
}

static const char style[] =
    ":root{color-scheme:light "
    "dark;--ink:#1b1f24;--soft:#5b6570;--line:#d7dce1;--page:#fff;--mark:#0b66c2;--first:#8a8f96}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e7eaee;--soft:#a3adb8;--line:#39424c;--page:#14181d;--mark:#6ab0ff;"
    "--first:#8a939d}}"
    "body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--page);max-width:1100px;margin:2rem "
    "auto;padding:0 1rem}"
    "h1{font-size:1.6rem}h2{margin-top:2.5rem;border-bottom:1px solid var(--line)}h3{font-size:1rem;margin:1.5rem 0 "
    ".3rem}"
    "p.soft,td.soft,figcaption{color:var(--soft)}code{overflow-wrap:anywhere}table{border-collapse:collapse;font-"
    "variant-numeric:tabular-nums}"
    "th,td{padding:.2rem .7rem;text-align:right;border-bottom:1px solid "
    "var(--line)}th:first-child,td:first-child{text-align:left}";

void cli_page_head(struct wn_text *out, const char *title, const char *more)
{
    wn_text_puts(out, "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" "
                      "content=\"width=device-width\"><title>");
    cli_page_text(out, title);
    wn_text_printf(out, "</title><style>%s%s</style>", style, more);
}

enum cli_exit cli_page_write(const char *path, const struct wn_text *page)
{
    struct wn_error err = {0};
    if (page->failed) return cli_fail(CLI_FAILED, "no memory for %s", path);
    return cli_write_whole(path, &page->bytes, &err) == WN_OK ? CLI_OK : cli_fail_error(&err);
}
