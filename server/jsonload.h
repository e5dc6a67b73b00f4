/* Any text as JSON: read whole, or not at all. */
#ifndef WN_SERVER_JSONLOAD_H
#define WN_SERVER_JSONLOAD_H

#include <whynot/error.h>

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* An object or array without keys that are there twice. NULL: *why says what is wrong with it, or, where *starved,
 * nothing is: there was no memory. The caller's to json_decref. */
json_t *wn_json_load(const char *text, size_t n, json_error_t *why, bool *starved);
/* The library's words for clients: cut where it repeats the text or names its own options. */
const char *wn_json_why(json_error_t *why);
/* The same for those who only say it: WN_BAD_REQUEST with the line and what is wrong there, or WN_NO_MEMORY; *root
 * is NULL then. */
enum wn_code wn_json_parse(const void *text, size_t n, json_t **root, struct wn_error *err);
/* The member of that name; NULL where there is none, or null, which writers of JSON write for what is not set. */
const json_t *wn_json_given(const json_t *object, const char *key);

#endif
