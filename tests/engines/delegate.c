/* A delegate of TensorFlow Lite that does what tests want of it.
 *
 *     cc -shared -fPIC -O2 -o libdelegate.so delegate.c
 *
 * It takes over one operator, the last int8 MEAN over height and width, and computes it as TensorFlow Lite does. Options:
 *
 *     mode   plain          right results (without this option, too)
 *            wrong          its operator's output is nine levels too high
 *            garbled        its operator's output is in reverse order
 *            absent         create returns no delegate: there is no such device
 *            refuse         there is one, and it takes no network
 *            crash, hang    create aborts, or never returns
 *            fail-after=N   the Nth call in this process fails, and every later one: a device that vanishes
 *            crash-after=N, hang-after=N   the same, with an abort, or without an end
 *     log    a file to which what happened is appended, a line each: "created MODE", "took N operators", "ran N", "destroyed"
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What of TensorFlow Lite's C interface is used (2.17, tensorflow/lite/core/c/common.h): the order and the types of fields are
 * fixed there, names are not. Contexts and nodes are only ever pointed at, and end here early. */

typedef enum { OK = 0, FAILED = 1, DELEGATE_FAILED = 2 } Status;
enum { INT8 = 9, MEAN = 40 };

typedef struct {
    int size;
    int data[];
} Ints;

typedef struct Delegate Delegate;
typedef struct Context Context;

typedef struct {
    int type;
    void *data;
    Ints *dims;
    struct {
        float scale;
        int32_t zero_point;
    } params;
    int allocation_type;
    size_t bytes;
    const void *allocation;
    const char *name;
    Delegate *delegate;
    int buffer_handle;
    bool data_is_stale;
    bool is_variable;
    struct {
        int type;
        void *params;
    } quantization;
    void *sparsity;
    const Ints *dims_signature;
} Tensor;

typedef struct {
    Ints *inputs;
    Ints *outputs;
    Ints *intermediates;
    Ints *temporaries;
    void *user_data;
} Node;

/* Passed by value: all of its fields must be there. */
typedef struct {
    void *(*init)(Context *, const char *buffer, size_t length);
    void (*free)(Context *, void *user_data);
    Status (*prepare)(Context *, Node *);
    Status (*invoke)(Context *, Node *);
    const char *(*profiling_string)(const Context *, const Node *);
    int32_t builtin_code;
    const char *custom_name;
    int version;
    void *registration_external;
    void *(*async_kernel)(Context *, Node *);
    uint64_t inplace_operator;
} Registration;

struct Context {
    size_t tensors_size;
    Status (*get_execution_plan)(Context *, Ints **plan);
    Tensor *tensors;
    void *impl;
    Status (*resize_tensor)(Context *, Tensor *, Ints *size);
    void (*report_error)(Context *, const char *message, ...);
    Status (*add_tensors)(Context *, int count, int *first);
    Status (*get_node_and_registration)(Context *, int index, Node **, Registration **);
    Status (*replace_nodes)(Context *, Registration, const Ints *nodes, Delegate *);
};

struct Delegate {
    void *data;
    Status (*prepare)(Context *, Delegate *);
    Status (*copy_from_buffer_handle)(Context *, Delegate *, int handle, Tensor *);
    Status (*copy_to_buffer_handle)(Context *, Delegate *, int handle, Tensor *);
    void (*free_buffer_handle)(Context *, Delegate *, int *handle);
    int64_t flags;
    void *opaque_delegate_builder;
};

/* What the init of a delegate's operator is given. */
typedef struct {
    Delegate *delegate;
    Ints *nodes_to_replace;
    Ints *input_tensors;
    Ints *output_tensors;
} DelegateParams;

typedef struct {
    Delegate delegate; /* The first field: one is the other. */
    char mode[16];
    long after; /* 0: never. */
    char *log;
} Odd;

/* One device, however many networks run on it. */
static atomic_long calls;

static void note(const Odd *odd, const char *what, const char *more) {
    FILE *file = odd->log ? fopen(odd->log, "a") : NULL;
    if (file) {
        fprintf(file, "%s%s\n", what, more);
        fclose(file);
    }
}

static void note_number(const Odd *odd, const char *what, long number, const char *more) {
    char text[64];
    snprintf(text, sizeof text, " %ld%s", number, more);
    note(odd, what, text);
}

static bool is(const Odd *odd, const char *mode) {
    return strcmp(odd->mode, mode) == 0;
}

static void hang(void) {
    for (;;) pause();
}

static bool is_picture(const Tensor *tensor) {
    return tensor->type == INT8 && tensor->dims && tensor->dims->size == 4 && tensor->dims->data[0] == 1;
}

static void *init_mean(Context *context, const char *buffer, size_t length) {
    (void)context;
    (void)length;
    return ((const DelegateParams *)buffer)->delegate;
}

static void free_mean(Context *context, void *user_data) {
    (void)context;
    (void)user_data;
}

static Status prepare_mean(Context *context, Node *node) {
    (void)context;
    (void)node;
    return OK;
}

static Status run_mean(Context *context, Node *node) {
    const Odd *odd = node->user_data;
    long call = atomic_fetch_add(&calls, 1) + 1;
    note_number(odd, "ran", call, "");
    if (odd->after && call >= odd->after) {
        if (is(odd, "crash-after")) abort();
        if (is(odd, "hang-after")) hang();
        context->report_error(context, "the delegate's device is gone at call %d", (int)call);
        return FAILED;
    }
    const Tensor *in = NULL;
    for (int i = 0; i < node->inputs->size && !in; i++) {
        const Tensor *tensor = &context->tensors[node->inputs->data[i]];
        if (is_picture(tensor)) in = tensor;
    }
    Tensor *out = &context->tensors[node->outputs->data[0]];
    if (!in || !in->data || !out->data) return FAILED;

    int places = in->dims->data[1] * in->dims->data[2], channels = in->dims->data[3];
    int shift = is(odd, "wrong") ? 9 : 0;
    double factor = (double)in->params.scale / out->params.scale;
    const int8_t *from = in->data;
    for (int channel = 0; channel < channels; channel++) {
        long sum = 0;
        for (int place = 0; place < places; place++) sum += from[place * channels + channel];
        double mean = ((double)sum / places - in->params.zero_point) * factor;
        long level = (long)(mean < 0 ? mean - 0.5 : mean + 0.5) + out->params.zero_point + shift;
        int place = is(odd, "garbled") ? channels - 1 - channel : channel;
        ((int8_t *)out->data)[place] = (int8_t)(level < -128 ? -128 : level > 127 ? 127 : level);
    }
    return OK;
}

static Status prepare(Context *context, Delegate *delegate) {
    const Odd *odd = delegate->data;
    Ints *plan;
    Node *node;
    Registration *registration;
    int found = -1;
    if (is(odd, "refuse")) {
        context->report_error(context, "the delegate refuses this network");
        return DELEGATE_FAILED;
    }
    if (context->get_execution_plan(context, &plan) != OK) return FAILED;
    for (int i = 0; i < plan->size; i++) {
        if (context->get_node_and_registration(context, plan->data[i], &node, &registration) != OK) return FAILED;
        if (registration->builtin_code != MEAN || node->inputs->size < 1 || node->outputs->size != 1) continue;
        if (is_picture(&context->tensors[node->inputs->data[0]]) && context->tensors[node->outputs->data[0]].type == INT8)
            found = plan->data[i];
    }
    note_number(odd, "took", found >= 0, " operators");
    if (found < 0) return OK;

    Registration mean = {
        .init = init_mean, .free = free_mean, .prepare = prepare_mean, .invoke = run_mean,
        .custom_name = "OddMean", .version = 1,
    };
    Ints *nodes = malloc(sizeof *nodes + sizeof(int));
    if (!nodes) return FAILED;
    nodes->size = 1;
    nodes->data[0] = found;
    Status status = context->replace_nodes(context, mean, nodes, delegate);
    free(nodes);
    return status;
}

__attribute__((visibility("default"))) void tflite_plugin_destroy_delegate(Delegate *delegate) {
    Odd *odd = (Odd *)delegate;
    if (!odd) return;
    note(odd, "destroyed", "");
    free(odd->log);
    free(odd);
}

static bool set(Odd *odd, const char *key, const char *value) {
    static const char *const plain[] = {"plain", "wrong", "garbled", "absent", "refuse", "crash", "hang"};
    static const char *const counted[] = {"fail-after", "crash-after", "hang-after"};
    if (strcmp(key, "log") == 0) {
        free(odd->log);
        return (odd->log = strdup(value)) != NULL;
    }
    if (strcmp(key, "mode") != 0) return false;
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        if (strcmp(value, plain[i]) == 0) return strcpy(odd->mode, value), true;
    }
    for (size_t i = 0; i < sizeof counted / sizeof *counted; i++) {
        size_t length = strlen(counted[i]);
        if (strncmp(value, counted[i], length) == 0 && value[length] == '=')
            return strcpy(odd->mode, counted[i]), (odd->after = atol(value + length + 1)) > 0;
    }
    return false;
}

__attribute__((visibility("default"))) Delegate *tflite_plugin_create_delegate(
    const char *const *keys, const char *const *values, size_t count, void (*report_error)(const char *)) {
    Odd *odd = calloc(1, sizeof *odd);
    if (!odd) return NULL;
    strcpy(odd->mode, "plain");
    odd->delegate.data = odd;
    odd->delegate.prepare = prepare;
    for (size_t i = 0; i < count; i++) {
        if (!set(odd, keys[i], values[i])) {
            if (report_error) report_error("no such option");
            tflite_plugin_destroy_delegate(&odd->delegate);
            return NULL;
        }
    }
    note(odd, "created ", odd->mode);
    if (is(odd, "crash")) abort();
    if (is(odd, "hang")) hang();
    if (is(odd, "absent")) {
        if (report_error) report_error("there is no such device");
        tflite_plugin_destroy_delegate(&odd->delegate);
        return NULL;
    }
    return &odd->delegate;
}
