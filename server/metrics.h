/* What the daemon counts, and its text for Prometheus. Counting is lock-free. */
#ifndef WN_SERVER_METRICS_H
#define WN_SERVER_METRICS_H

#include "text.h"

enum wn_metric {
#define X(id, kind, name, help, label, values, label2, values2) WN_METRIC_##id,
#include "metrics.def"
#undef X
    WN_METRIC_COUNT
};

enum wn_stage_label { WN_TIME_DECODE, WN_TIME_FORWARD, WN_TIME_BACKWARD, WN_TIME_ENCODE };
enum wn_prepared_label { WN_PREPARED_DEVICE, WN_PREPARED_HOST };
enum wn_kept_label { WN_KEPT_HIT, WN_KEPT_MISS };
enum wn_reject_label {
    WN_REJECT_QUEUE,
    WN_REJECT_BYTES,
    WN_REJECT_DRAINING,
    WN_REJECT_DEADLINE,
    WN_REJECT_GONE,
    WN_REJECT_HEAD
};

/* Indices of the metric's labels, 0 where it has none. */
void wn_metric_add(enum wn_metric m, int row, int column, uint64_t n);
void wn_metric_observe(enum wn_metric m, int row, int column, double value); /* seconds, or a size */
/* WN_METRIC_SECONDS. model NULL: the request was about none. */
void wn_metric_observe_request(const char *model, int route, int status, double seconds);
int wn_metric_status(int http_status); /* its column among the codes */
void wn_metrics_write(struct wn_text *out);

#endif
