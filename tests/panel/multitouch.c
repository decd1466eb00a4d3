/* A touch screen with so many slots, in the kernel of the guest: `multitouch SLOTS MOST` plays what standard input says until that
 * ends. A line has words, as `slot=0 id=7 mx=100 my=200 report`; coordinates go from 0 to MOST. */
#include <fcntl.h>
#include <linux/uinput.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int device;

static void must(int result, const char *what) {
    if (result < 0) {
        perror(what);
        exit(1);
    }
}

static void axis(int code, int most) {
    struct uinput_abs_setup setup = {.code = code, .absinfo = {.minimum = 0, .maximum = most}};
    must(ioctl(device, UI_ABS_SETUP, &setup), "axis");
}

static void tell(const char *name, int value) {
    static const struct { const char *name; int type, code; } words[] = {
        {"slot", EV_ABS, ABS_MT_SLOT},          {"id", EV_ABS, ABS_MT_TRACKING_ID}, {"mx", EV_ABS, ABS_MT_POSITION_X},
        {"my", EV_ABS, ABS_MT_POSITION_Y},      {"report", EV_SYN, SYN_REPORT},
    };
    for (size_t index = 0; index < sizeof words / sizeof *words; index++) {
        if (strcmp(name, words[index].name) == 0) {
            struct input_event event = {.type = words[index].type, .code = words[index].code, .value = value};
            must(write(device, &event, sizeof event), name);
            return;
        }
    }
    fprintf(stderr, "no word %s\n", name);
    exit(1);
}

int main(int count, char **words) {
    if (count != 3) return 64;
    struct uinput_setup setup = {.id = {.bustype = BUS_USB, .vendor = 1, .product = 2}, .name = "a touch screen"};
    char line[1024];
    must(device = open("/dev/uinput", O_WRONLY), "open");
    must(ioctl(device, UI_SET_EVBIT, EV_ABS), "events");
    must(ioctl(device, UI_SET_PROPBIT, INPUT_PROP_DIRECT), "property");
    axis(ABS_MT_SLOT, atoi(words[1]) - 1);
    axis(ABS_MT_TRACKING_ID, 65535);
    axis(ABS_MT_POSITION_X, atoi(words[2]));
    axis(ABS_MT_POSITION_Y, atoi(words[2]));
    must(ioctl(device, UI_DEV_SETUP, &setup), "setup");
    must(ioctl(device, UI_DEV_CREATE), "create");
    while (fgets(line, sizeof line, stdin)) {
        for (char *word = strtok(line, " \n"); word; word = strtok(NULL, " \n")) {
            char *value = strchr(word, '=');
            if (value) *value++ = 0;
            tell(word, value ? atoi(value) : 0);
        }
    }
    return 0;
}
