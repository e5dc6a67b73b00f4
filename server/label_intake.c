/* Label Studio's tasks to questions: where the picture is, and which class the annotation says. Knows nothing of
 * regions. */
#include "jsonscan.h"
#include "label.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define MOST_PATH 1024

struct reading {
    struct wn_request *r;
    struct wn_job *job;
    struct wn_slice *slices;
    int n_slices;
    const json_t *context; /* what an annotator does just now, where Label Studio says so; or NULL */
    struct wn_ask drawn;   /* the question of every task, but for its picture and its classes */
};

/* ---- the picture ---- */

static enum wn_code refuse(struct reading *in, struct wn_slot *slot, enum wn_code code, const char *fmt,
                           const char *what)
{
    char pointer[96];
    snprintf(pointer, sizeof pointer, "%s/data/%.48s", slot->pointer, in->r->labeling->config.key);
    return wn_problem_set(&slot->problem, pointer, code, fmt, what);
}

static enum wn_code set_image(struct reading *in, struct wn_slot *slot, struct wn_slice image)
{
    struct wn_slice *slice = wn_pool_alloc(&in->job->pool, sizeof *slice);
    if (!slice) return wn_problem_set(&slot->problem, NULL, WN_NO_MEMORY, "no memory for the request");
    *slice = image;
    slot->ask.image = slice;
    return WN_OK;
}

/* "data:image/png;base64,iVBO..." or the base64 alone. */
static enum wn_code take_base64(struct reading *in, struct wn_slot *slot, const struct wn_slice *text)
{
    struct wn_slice image = *text;
    if (image.size >= 5 && memcmp(image.data, "data:", 5) == 0) {
        size_t head = image.size < 256 ? image.size : 256, mark = strlen(";base64");
        const char *comma = memchr(image.data, ',', head);
        if (!comma || (size_t)(comma - image.data) < mark || strncasecmp(comma - mark, ";base64", mark) != 0)
            return refuse(in, slot, WN_UNREADABLE_IMAGE, "%s", "a data URI of a picture is data:image/png;base64,...");
        image.size -= (size_t)(comma + 1 - image.data);
        image.data = comma + 1;
    }
    return set_image(in, slot, image);
}

/* Where below the folder the picture lies that Label Studio calls so: its own uploads are /data/upload/..., its
 * local files /data/local-files/?d=...; anything else is taken as it is. NULL: it cannot be decoded. */
static const char *path_of(struct wn_pool *pool, const char *text)
{
    static const char local[] = "/data/local-files/?d=", data[] = "/data/";
    if (strncmp(text, local, strlen(local)) == 0)
        return wn_unescape(pool, text + strlen(local), strlen(text) - strlen(local), true);
    if (strncmp(text, data, strlen(data)) == 0)
        return wn_unescape(pool, text + strlen(data), strlen(text) - strlen(data), false);
    return wn_pool_text(pool, text, strlen(text));
}

static enum wn_code take_path(struct reading *in, struct wn_slot *slot, const char *text)
{
    if (strstr(text, "://") || strncmp(text, "//", 2) == 0)
        return refuse(
            in, slot, WN_BAD_REQUEST,
            "'%.160s' is an address, and this server fetches nothing: put the picture into the task as a data URI "
            "(data:image/png;base64,...), or "
            "store it in the folder that whynotd --labeling-folder names and put its path there into the task",
            text);
    if (!in->r->server->config.labeling_folder[0])
        return refuse(in, slot, WN_BAD_REQUEST,
                      "'%.160s' is a path, and this server has no folder of pictures: start it with --labeling-folder "
                      "FOLDER, or put the picture into the task "
                      "as a data URI (data:image/png;base64,...)",
                      text);
    const char *path = strlen(text) <= MOST_PATH ? path_of(&in->job->pool, text) : NULL;
    if (!path || !path[0] || path[0] == '/')
        return refuse(in, slot, WN_BAD_REQUEST,
                      "'%.160s' is no path beneath the folder of pictures: name it from there, without a leading slash",
                      text);
    return set_image(in, slot, (struct wn_slice){.data = path, .size = strlen(path), .path = true});
}

static enum wn_code take_picture(struct reading *in, struct wn_slot *slot, const json_t *value)
{
    struct wn_reading reading = {.pool = &in->job->pool,
                                 .prefix = slot->pointer,
                                 .slices = in->slices,
                                 .n_slices = in->n_slices,
                                 .problem = &slot->problem};
    const char *text = json_string_value(value);
    int i = -1, end = 0;
    if (json_is_object(value)) return wn_ask_set_json(&slot->ask, "image", value, &reading);
    if (!text || !text[0])
        return refuse(in, slot, WN_BAD_REQUEST,
                      "the task has no picture under data.%.48s, where the <Image> looks for it",
                      in->r->labeling->config.key);
    /* by wn_json_read; analyzer: nine digits are an int */
    bool cut = sscanf(text, "data:%9d%n", &i, &end) == 1 && !text[end];
    if (cut && i >= 0 && i < in->n_slices && in->slices[i].base64) return take_base64(in, slot, &in->slices[i]);
    return take_path(in, slot, text);
}

/* ---- the annotation ---- */

/* The choice within a list of results; NULL: there is none. *n: how many choices it has. */
static const char *choice_of(const struct wn_label_config *c, const json_t *result, size_t *n)
{
    size_t i;
    json_t *one;
    json_array_foreach (result, i, one) {
        const char *type = json_string_value(json_object_get(one, "type")),
                   *from = json_string_value(json_object_get(one, "from_name"));
        const json_t *choices = json_object_get(json_object_get(one, "value"), "choices");
        const char *first = json_string_value(json_array_get(choices, 0));
        *n = json_array_size(choices);
        if (first && type && strcmp(type, "choices") == 0 && (!from || strcmp(from, c->choices.name) == 0))
            return first;
    }
    return NULL;
}

/* Of the newest annotation (or draft) that has one and was not cancelled. */
static const char *newest_choice(const struct wn_label_config *c, const json_t *list, size_t *n)
{
    for (size_t i = json_array_size(list); i-- > 0;) {
        const json_t *one = json_array_get(list, i);
        const char *choice = json_is_true(json_object_get(one, "was_cancelled"))
                                 ? NULL
                                 : choice_of(c, json_object_get(one, "result"), n);
        if (choice) return choice;
    }
    return NULL;
}

/* The class that a choice's word means: by the configuration, where it has that choice. */
static int class_of_choice(const struct wn_labeling *l, const char *word)
{
    for (int i = 0; i < l->config.choices.n; i++)
        if (strcmp(wn_label_word(&l->config.choices.labels[i]), word) == 0)
            return wn_label_class_of(l->model, &l->config.choices.labels[i]);
    return wn_label_class(l->model, word);
}

static void take_annotation(struct reading *in, const json_t *one, struct wn_label_task *task)
{
    const struct wn_labeling *l = in->r->labeling;
    size_t n = 0;
    task->label = -1;
    if (!l->config.choices.name) return;
    const char *word = choice_of(&l->config, in->context, &n);
    if (!word) word = newest_choice(&l->config, json_object_get(one, "annotations"), &n);
    if (!word) word = newest_choice(&l->config, json_object_get(one, "drafts"), &n);
    if (!word) return;
    task->label = class_of_choice(l, word);
    if (task->label < 0)
        wn_label_note_unknown(&in->job->pool, &task->notes, l->model, "the annotation's label", word);
    else if (n > 1)
        wn_label_note(&in->job->pool, &task->notes,
                      "the annotation has %zu labels; '%.128s' is compared with the prediction", n, word);
}

/* ---- the question ---- */

/* Why the prediction; or, where somebody annotated the picture, why that label rather than what comes nearest to it.
 * Where the model says something else, that is just what it says. */
static enum wn_code set_question(struct reading *in, struct wn_slot *slot, int label)
{
    if (label < 0) return WN_OK;
    struct wn_class_ref *ref = wn_pool_alloc(&in->job->pool, sizeof *ref);
    if (!ref) return wn_problem_set(&slot->problem, NULL, WN_NO_MEMORY, "no memory for the request");
    ref->index = label;
    slot->ask.target = (struct wn_class_refs){.list = ref, .n = 1};
    slot->ask.contrast = wn_contrast_find("pair");
    return WN_OK;
}

static void take_task(struct reading *in, int i, const json_t *one)
{
    struct wn_slot *slot = &in->job->slots[i];
    struct wn_label_task *task = &in->r->labeling->tasks[i];
    snprintf(slot->pointer, sizeof slot->pointer, "/tasks/%d", i);
    slot->ask = in->drawn;
    if (!json_is_object(json_object_get(one, "data"))) {
        wn_problem_set(&slot->problem, slot->pointer, WN_BAD_REQUEST, "a task is an object with an object `data`");
        return;
    }
    take_annotation(in, one, task);
    if (take_picture(in, slot, json_object_get(json_object_get(one, "data"), in->r->labeling->config.key)) == WN_OK)
        set_question(in, slot, task->label);
}

static enum wn_code take_tasks(struct reading *in, const json_t *list)
{
    struct wn_request *r = in->r;
    size_t n = json_array_size(list), most = (size_t)r->server->config.max_instances;
    if (!json_is_array(list) || n < 1 || n > most)
        return wn_problem_set(&r->problem, "/tasks", WN_BAD_REQUEST,
                              "tasks must be a list of 1 to %zu tasks (whynotd --max-instances allows more)", most);
    in->job->slots = wn_pool_array(&in->job->pool, n, sizeof *in->job->slots);
    r->labeling->tasks = wn_pool_array(&in->job->pool, n, sizeof *r->labeling->tasks);
    if (!in->job->slots || !r->labeling->tasks)
        return wn_problem_set(&r->problem, NULL, WN_NO_MEMORY, "no memory for the request");
    in->job->n_slots = (int)n;
    in->job->is_batch = true;
    for (size_t i = 0; i < n; i++) take_task(in, (int)i, json_array_get(list, i));
    return WN_OK;
}

static enum wn_code check_config(struct wn_request *r)
{
    const struct wn_label_config *c = &r->labeling->config;
    if (!c->key)
        return wn_problem_set(&r->problem, "/label_config", WN_BAD_REQUEST,
                              "label_config has no <Image> with a name and a value such as \"$image\"");
    if (!c->choices.name && !c->regions.n)
        return wn_problem_set(
            &r->problem, "/label_config", WN_BAD_REQUEST,
            "label_config has nothing to fill: neither <Choices>, nor <BrushLabels> or <PolygonLabels> with labels");
    return WN_OK;
}

/* ---- the body ---- */

enum wn_code wn_label_read(struct wn_request *r, struct wn_pool *pool, json_t **root, struct wn_slice **slices,
                           int *n_slices)
{
    const struct wn_json_cuts cuts = {.arrays = "rle points predictions", .pictures = true};
    const char *type = wn_request_header(r, "Content-Type");
    *root = NULL;
    if (r->connection && (!type || strncasecmp(type, "application/json", 16) != 0))
        return wn_problem_set(&r->problem, NULL, WN_UNSUPPORTED_MEDIA, "the body must be application/json");
    if (r->parameters.n) return wn_problem_set(&r->problem, NULL, WN_BAD_REQUEST, "this path takes no parameters");
    enum wn_code code = wn_json_read(r->body, r->body_size, &cuts, pool, root, slices, n_slices, &r->problem.error);
    if (code == WN_OK && !json_is_object(*root))
        code = wn_problem_set(&r->problem, NULL, WN_BAD_REQUEST, "the body must be a JSON object");
    return code;
}

enum wn_code wn_label_intake(struct wn_request *r, struct wn_job *job)
{
    struct reading in = {.r = r, .job = job};
    struct wn_reading reading = {.pool = &job->pool, .prefix = "", .problem = &r->problem};
    json_t *root;
    enum wn_code code = wn_label_read(r, &job->pool, &root, &in.slices, &in.n_slices);
    const json_t *xml = json_object_get(root, "label_config"), *tasks = json_object_get(root, "tasks");
    if (code == WN_OK && !json_string_length(xml))
        code = wn_problem_set(&r->problem, "/label_config", WN_BAD_REQUEST,
                              "label_config is missing: the project's labeling configuration");
    if (code == WN_OK) code = wn_label_begin(r, json_string_value(xml), json_string_length(xml));
    if (code == WN_OK) code = check_config(r);
    if (code == WN_OK) code = wn_ask_init(&in.drawn, &reading);
    in.drawn.outputs = WN_OUT_RAW;
    if (json_array_size(tasks) == 1)
        in.context = json_object_get(json_object_get(json_object_get(root, "params"), "context"), "result");
    if (code == WN_OK) code = take_tasks(&in, tasks);
    json_decref(root);
    return code;
}
