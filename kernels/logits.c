/* Arithmetic on logits that contrasts, the engine and the server share; knows no contrast. */
#include "logits.h"

#include <math.h>

void wn_softmax_over(const float *logits, int n, const bool *in, double *p)
{
    double top = -INFINITY, sum = 0;
    for (int i = 0; i < n; i++)
        if (in[i] && logits[i] > top) top = logits[i];
    for (int i = 0; i < n; i++) {
        p[i] = in[i] ? exp(logits[i] - top) : 0;
        sum += p[i];
    }
    for (int i = 0; i < n; i++) p[i] /= sum;
}

void wn_softmax(const float *logits, int n, float *p)
{
    double top = logits[wn_argmax(logits, n)], sum = 0;
    for (int i = 0; i < n; i++) sum += exp(logits[i] - top);
    for (int i = 0; i < n; i++) p[i] = (float)(exp(logits[i] - top) / sum);
}

int wn_argmax(const float *x, int n)
{
    int best = 0;
    for (int i = 1; i < n; i++)
        if (x[i] > x[best]) best = i;
    return best;
}

int wn_argmax_except(const float *x, int n, int skip)
{
    int best = skip == 0 ? 1 : 0;
    for (int i = best + 1; i < n; i++)
        if (i != skip && x[i] > x[best]) best = i;
    return best;
}

/* Insertion into a short list: k is small beside n. */
int wn_top(const float *x, int n, int k, int *index)
{
    int have = 0;
    if (k > n) k = n;
    for (int i = 0; i < n && k > 0; i++) {
        if (have == k && !(x[i] > x[index[k - 1]])) continue;
        int at = have < k ? have++ : k - 1;
        for (; at > 0 && x[i] > x[index[at - 1]]; at--) index[at] = index[at - 1];
        index[at] = i;
    }
    return have;
}

int wn_nearest(const float *logits, int n, int target, int k, int *index)
{
    int have = 0;
    for (int i = 0; i < n && k > 0; i++) {
        float d = fabsf(logits[i] - logits[target]);
        if (i == target || (have == k && !(d < fabsf(logits[index[k - 1]] - logits[target])))) continue;
        int at = have < k ? have++ : k - 1;
        for (; at > 0 && d < fabsf(logits[index[at - 1]] - logits[target]); at--) index[at] = index[at - 1];
        index[at] = i;
    }
    return have;
}
