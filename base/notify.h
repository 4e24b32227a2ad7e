/* sd_notify(3) by its datagram protocol; does nothing where nobody listens. */
#ifndef BASE_NOTIFY_H
#define BASE_NOTIFY_H

/* state: "READY=1", "STOPPING=1", "STATUS=...", several joined by newlines. */
void notify(const char *state);

#endif
