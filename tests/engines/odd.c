/* Engine libraries that go wrong, each in one way. All but MISSING stand before the real library, have it loaded as what they
 * need, and answer one function themselves: whoever looks a name up in them finds this one first and all others there.
 *
 *     cc -shared -fPIC -DSHIFTED -o libodd.so odd.c -Wl,--no-as-needed,-rpath,FOLDER_OF_REAL REAL
 *
 * REAL is libtensorflowlite_c.so, or libLiteRt.so for what begins with LITERT. Calls count from 1, in one process together.
 *
 *     SHIFTED               every output is nine levels too high, which softmax does not see
 *     GARBLED               every output is in reverse order
 *     FAILS_AFTER=N         the Nth run fails, and every later one
 *     CRASHES_RUNNING=N     the Nth run aborts
 *     HANGS_RUNNING=N       the Nth run never ends
 *     CRASHES, HANGS        it aborts while it is loaded, or never gets loaded
 *     MISSING               it has only one function of TensorFlow Lite's; no REAL
 *     LITERT_FAILS_AFTER=N  the Nth run fails, and every later one: a GPU that is gone between two pictures
 *     LITERT_CRASHES_RUNNING=N, LITERT_HANGS_RUNNING=N
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#if defined MISSING

const char *TfLiteVersion(void) {
    return "0.0.0";
}

#elif defined CRASHES

__attribute__((constructor)) static void crash(void) {
    abort();
}

#elif defined HANGS

__attribute__((constructor)) static void hang(void) {
    for (;;) pause();
}

#else

static atomic_long calls;

/* 0: this call goes wrong and returns; 1: it is to be passed on. */
static int passes(void) {
    long call = atomic_fetch_add(&calls, 1) + 1;
    (void)call;
#if defined CRASHES_RUNNING
    if (call >= CRASHES_RUNNING) abort();
#elif defined LITERT_CRASHES_RUNNING
    if (call >= LITERT_CRASHES_RUNNING) abort();
#elif defined HANGS_RUNNING
    while (call >= HANGS_RUNNING) pause();
#elif defined LITERT_HANGS_RUNNING
    while (call >= LITERT_HANGS_RUNNING) pause();
#elif defined FAILS_AFTER
    return call < FAILS_AFTER;
#elif defined LITERT_FAILS_AFTER
    return call < LITERT_FAILS_AFTER;
#elif !defined SHIFTED && !defined GARBLED
#error "which one?"
#endif
    return 1;
}

#if defined LITERT_FAILS_AFTER || defined LITERT_CRASHES_RUNNING || defined LITERT_HANGS_RUNNING

typedef int Run(void *model, size_t signature, size_t inputs, void **input, size_t outputs, void **output);

int LiteRtRunCompiledModel(void *model, size_t signature, size_t inputs, void **input, size_t outputs, void **output) {
    enum { RUNTIME_FAILURE = 3 };
    Run *real = (Run *)dlsym(RTLD_NEXT, "LiteRtRunCompiledModel");
    return real && passes() ? real(model, signature, inputs, input, outputs, output) : RUNTIME_FAILURE;
}

#else

typedef int Invoke(void *interpreter);

#if defined SHIFTED || defined GARBLED
int32_t TfLiteInterpreterGetOutputTensorCount(const void *interpreter);
const void *TfLiteInterpreterGetOutputTensor(const void *interpreter, int32_t index);
void *TfLiteTensorData(const void *tensor);
size_t TfLiteTensorByteSize(const void *tensor);

static void spoil(const void *interpreter) {
    for (int32_t i = 0; i < TfLiteInterpreterGetOutputTensorCount(interpreter); i++) {
        const void *tensor = TfLiteInterpreterGetOutputTensor(interpreter, i);
        int8_t *levels = TfLiteTensorData(tensor);
        size_t count = TfLiteTensorByteSize(tensor);
#if defined SHIFTED
        for (size_t k = 0; k < count; k++)
            levels[k] = (int8_t)(levels[k] > INT8_MAX - 9 ? INT8_MAX : levels[k] + 9);
#else
        for (size_t k = 0; k < count / 2; k++) {
            int8_t level = levels[k];
            levels[k] = levels[count - 1 - k];
            levels[count - 1 - k] = level;
        }
#endif
    }
}
#endif

int TfLiteInterpreterInvoke(void *interpreter) {
    enum { FAILED = 1 };
    Invoke *real = (Invoke *)dlsym(RTLD_NEXT, "TfLiteInterpreterInvoke");
    int status = real && passes() ? real(interpreter) : FAILED;
#if defined SHIFTED || defined GARBLED
    if (status == 0) spoil(interpreter);
#endif
    return status;
}

#endif
#endif
