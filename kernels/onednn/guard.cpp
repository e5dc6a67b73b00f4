// Exceptions of oneDNN end here, as a status. The one file of this backend that is not C.
#include "guard.h"

template <auto function> struct guarded;

template <typename... Arguments, dnnl_status_t (*function)(Arguments...)> struct guarded<function> {
    static dnnl_status_t call(Arguments... arguments)
    {
        try {
            return function(arguments...);
        } catch (...) { // std::bad_alloc, or what its code generator throws when it gets no memory
            return dnnl_out_of_memory;
        }
    }
};

#define X(name) __typeof__(&name) const wn_guarded_##name = guarded<&name>::call;
#include "guarded.def"
#undef X
