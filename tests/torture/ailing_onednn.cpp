// Takes the place of the backend's guard.cpp: the n-th call into oneDNN returns a status of the test's choice.
#include "guard.h"

extern "C" {
long ailing_onednn_countdown; // 0: not armed
dnnl_status_t ailing_onednn_status;
}

static bool now()
{
    return ailing_onednn_countdown > 0 && --ailing_onednn_countdown == 0;
}

template <auto function> struct guarded;

template <typename... Arguments, dnnl_status_t (*function)(Arguments...)> struct guarded<function> {
    static dnnl_status_t call(Arguments... arguments)
    {
        return now() ? ailing_onednn_status : function(arguments...);
    }
};

#define X(name) __typeof__(&name) const wn_guarded_##name = guarded<&name>::call;
#include "guarded.def"
#undef X
