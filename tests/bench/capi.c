/* A quantised network of a bundle on TensorFlow Lite's C API with XNNPACK: a peer of `hilum bench --against`.
 *
 *     cc -O2 -o capi capi.c -ldl
 *     capi LIBRARY MODEL.tflite INPUT.raw THREADS [OUTPUTS.raw]
 *
 * LIBRARY is a libtensorflowlite_c.so. A run is: copy the input in, invoke, copy both outputs out. Inputs are int8, one after
 * the other in the file, and take turns. OUTPUTS.raw gets what each of them gave when it was last run: the first output, then
 * the features. What is said on standard input and output: protocol.py.
 *
 * The declarations are TensorFlow Lite's own (tensorflow/lite/core/c/c_api.h, tensorflow/lite/delegates/xnnpack/xnnpack_delegate.h),
 * written down here so that no header is needed.
 */
#define _POSIX_C_SOURCE 200809L
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef struct TfLiteModel TfLiteModel;
typedef struct TfLiteInterpreterOptions TfLiteInterpreterOptions;
typedef struct TfLiteInterpreter TfLiteInterpreter;
typedef struct TfLiteDelegate TfLiteDelegate;
typedef struct TfLiteTensor TfLiteTensor;
enum { OK = 0, INT8 = 9 };   /* kTfLiteOk, kTfLiteInt8 */
enum { QS8 = 1, QU8 = 2 };   /* TFLITE_XNNPACK_DELEGATE_FLAG_*: take signed, unsigned quantised operators */

/* Newer libraries have fields after these. A structure of this size is returned in memory that the caller provides, on x86-64
 * and AArch64 alike, so there must be room for them; nothing here looks at them. */
typedef struct {
    int32_t num_threads;
    uint32_t flags;
    void *weights_cache;
    bool handle_variable_ops;
    const char *weight_cache_file_path;
    char later[224];
} XnnpackOptions;

enum { OUTPUTS = 2, WARM_UP = 10 };

static void fail(const char *form, ...)
{
    va_list values;
    va_start(values, form);
    fputs("capi: ", stderr);
    vfprintf(stderr, form, values);
    fputc('\n', stderr);
    va_end(values);
    exit(70);
}

static void *library;

/* A function of the library, as a value of the pointer `to`: ISO C has no cast from an object to a function. */
static void find(const char *name, void *to)
{
    void *found = dlsym(library, name);
    if (!found) fail("the library has no %s", name);
    memcpy(to, &found, sizeof found);
}

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static unsigned char *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (!file) fail("cannot open %s: %s", path, strerror(errno));
    if (fseek(file, 0, SEEK_END)) fail("cannot read %s: %s", path, strerror(errno));
    long end = ftell(file);
    unsigned char *bytes = end > 0 ? malloc((size_t)end) : NULL;
    rewind(file);
    if (!bytes || fread(bytes, 1, (size_t)end, file) != (size_t)end) fail("%s is empty or cannot be read", path);
    fclose(file);
    *size = (size_t)end;
    return bytes;
}

static TfLiteInterpreter *interpreter;
static TfLiteTensor *input;
static const TfLiteTensor *output[OUTPUTS];
static size_t input_size, output_size[OUTPUTS], row_size, count, turn;
static unsigned char *inputs, *rows;
static int (*invoke)(TfLiteInterpreter *);
static int (*copy_in)(TfLiteTensor *, const void *, size_t);
static int (*copy_out)(const TfLiteTensor *, void *, size_t);

static void run(void)
{
    unsigned char *to = rows + turn * row_size;
    if (copy_in(input, inputs + turn * input_size, input_size) != OK) fail("the input was not taken");
    if (invoke(interpreter) != OK) fail("the network did not run");
    for (int index = 0; index < OUTPUTS; to += output_size[index++])
        if (copy_out(output[index], to, output_size[index]) != OK) fail("output %d was not given", index);
    turn = (turn + 1) % count;
}

static long number(const char *text, const char *what, long least)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (end == text || (*end && *end != '\n') || errno || value < least) fail("%s must be a whole number from %ld on, not %s", what, least, text);
    return value;
}

int main(int argc, char **argv)
{
    if (argc != 5 && argc != 6) {
        fputs("capi LIBRARY MODEL.tflite INPUT.raw THREADS [OUTPUTS.raw]\n", stderr);
        return 64;
    }
    int threads = (int)number(argv[4], "THREADS", 1);
    FILE *answers = fdopen(dup(1), "w");
    if (!answers || dup2(2, 1) < 0) fail("standard output cannot be used: %s", strerror(errno));

    library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (!library) fail("%s", dlerror());
    const char *(*version)(void);
    TfLiteModel *(*model_create)(const char *);
    TfLiteInterpreterOptions *(*options_create)(void);
    void (*options_set_threads)(TfLiteInterpreterOptions *, int32_t);
    void (*options_add_delegate)(TfLiteInterpreterOptions *, TfLiteDelegate *);
    XnnpackOptions (*xnnpack_default)(void);
    TfLiteDelegate *(*xnnpack_create)(const XnnpackOptions *);
    TfLiteInterpreter *(*interpreter_create)(const TfLiteModel *, const TfLiteInterpreterOptions *);
    int (*allocate)(TfLiteInterpreter *);
    int32_t (*input_count)(const TfLiteInterpreter *), (*output_count)(const TfLiteInterpreter *);
    TfLiteTensor *(*input_of)(const TfLiteInterpreter *, int32_t);
    const TfLiteTensor *(*output_of)(const TfLiteInterpreter *, int32_t);
    size_t (*byte_size)(const TfLiteTensor *);
    int (*type)(const TfLiteTensor *);
    find("TfLiteVersion", &version);
    find("TfLiteModelCreateFromFile", &model_create);
    find("TfLiteInterpreterOptionsCreate", &options_create);
    find("TfLiteInterpreterOptionsSetNumThreads", &options_set_threads);
    find("TfLiteInterpreterOptionsAddDelegate", &options_add_delegate);
    find("TfLiteXNNPackDelegateOptionsDefault", &xnnpack_default);
    find("TfLiteXNNPackDelegateCreate", &xnnpack_create);
    find("TfLiteInterpreterCreate", &interpreter_create);
    find("TfLiteInterpreterAllocateTensors", &allocate);
    find("TfLiteInterpreterGetInputTensorCount", &input_count);
    find("TfLiteInterpreterGetOutputTensorCount", &output_count);
    find("TfLiteInterpreterGetInputTensor", &input_of);
    find("TfLiteInterpreterGetOutputTensor", &output_of);
    find("TfLiteTensorByteSize", &byte_size);
    find("TfLiteTensorType", &type);
    find("TfLiteInterpreterInvoke", &invoke);
    find("TfLiteTensorCopyFromBuffer", &copy_in);
    find("TfLiteTensorCopyToBuffer", &copy_out);

    TfLiteModel *model = model_create(argv[2]);
    if (!model) fail("%s is no model", argv[2]);
    XnnpackOptions xnnpack = xnnpack_default();
    xnnpack.num_threads = threads;
    xnnpack.flags |= QS8 | QU8; /* most builds have them by default; without them a quantised network stays with the plain kernels */
    TfLiteDelegate *delegate = xnnpack_create(&xnnpack);
    TfLiteInterpreterOptions *options = options_create();
    if (!delegate || !options) fail("XNNPACK was not created");
    options_set_threads(options, threads);
    options_add_delegate(options, delegate);
    interpreter = interpreter_create(model, options);
    if (!interpreter || allocate(interpreter) != OK) fail("%s was not prepared", argv[2]);
    if (input_count(interpreter) != 1 || output_count(interpreter) != OUTPUTS) fail("the model must have 1 input and %d outputs", OUTPUTS);
    input = input_of(interpreter, 0);
    input_size = byte_size(input);
    bool quantised = type(input) == INT8;
    for (int index = 0; index < OUTPUTS; index++) {
        output[index] = output_of(interpreter, index);
        output_size[index] = byte_size(output[index]);
        row_size += output_size[index];
        quantised = quantised && type(output[index]) == INT8;
    }
    if (!quantised) fail("the model's ends are not int8");

    size_t size;
    inputs = read_file(argv[3], &size);
    if (size % input_size) fail("the network reads %zu bytes, %s has %zu", input_size, argv[3], size);
    count = size / input_size;
    rows = calloc(count, row_size);
    if (!rows) fail("out of memory");
    for (size_t index = 0; index < count || index < WARM_UP; index++) run();

    fprintf(answers, "ready {\"name\": \"tflite-c\", \"version\": \"%s\"}\n", version());
    fflush(answers);
    char line[32];
    while (fgets(line, sizeof line, stdin)) {
        long runs = number(line, "the number of runs", 0);
        double *took_ms = calloc((size_t)runs, sizeof *took_ms);
        if (!took_ms && runs) fail("out of memory");
        for (long index = 0; index < runs; index++) {
            double started = now_ms();
            run();
            took_ms[index] = now_ms() - started;
        }
        fputc('[', answers);
        for (long index = 0; index < runs; index++) fprintf(answers, "%s%.6f", index ? ", " : "", took_ms[index]);
        fputs("]\n", answers);
        free(took_ms);
        fflush(answers);
    }
    if (argc == 6) {
        FILE *file = fopen(argv[5], "wb");
        if (!file || fwrite(rows, row_size, count, file) != count || fclose(file)) fail("cannot write %s: %s", argv[5], strerror(errno));
    }
    return 0; /* the process's end frees what is left */
}
