/* GET /v1/models/{model}/sample: a picture that a manifest lists, and no other file. */
#include "files.h"
#include "server.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *listed(const struct wn_model *m, const char *file)
{
    for (int i = 0; file && i < m->manifest.n_samples; i++)
        if (strcmp(m->manifest.samples[i].file, file) == 0) return m->manifest.samples[i].file;
    return NULL;
}

static enum wn_code read_sample(const struct wn_request *r, const struct wn_model *m, const char *file,
                                struct wn_buffer *out, struct wn_error *err)
{
    char name[512];
    int parent = open(r->server->config.models, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent < 0) return wn_fail(err, WN_NOT_FOUND, "the folder of models is no longer there");
    enum wn_code code = (size_t)snprintf(name, sizeof name, "%s/%s", m->folder, file) < sizeof name
                            ? wn_read_beneath(parent, name, (size_t)r->server->config.max_body_bytes, out, NULL, err)
                            : wn_fail(err, WN_BAD_MODEL, "the sample's name is too long");
    close(parent);
    return code;
}

bool wn_route_sample(struct wn_request *r)
{
    struct wn_error err = {0};
    const struct wn_model *m = wn_request_model(r);
    if (!m) return true;
    const char *file = listed(m, wn_parameter(&r->parameters, "file"));
    if (!file) {
        wn_problem_set(&r->problem, "/file", WN_NOT_FOUND, "%s has no such sample; /v1/models/%s lists them", m->name,
                       m->name);
        return true;
    }
    enum wn_code code = read_sample(r, m, file, &r->reply.body.bytes, &err);
    if (code != WN_OK) wn_problem_set(&r->problem, NULL, code, "%s", err.text);
    bool jpeg = r->reply.body.bytes.size > 1 && r->reply.body.bytes.data[0] == 0xff;
    r->reply.type = jpeg ? "image/jpeg" : "image/png";
    return true;
}
