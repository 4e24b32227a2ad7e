/* postern queue: mail that waits in STATE/spool for other hosts. */
#ifndef ADMIN_QUEUE_H
#define ADMIN_QUEUE_H

#include "admin/admin.h"

int queue_list(struct admin *a);
int queue_show(struct admin *a);
int queue_summary(struct admin *a);
int queue_retry(struct admin *a);
int queue_hold(struct admin *a);
int queue_release(struct admin *a);
int queue_remove(struct admin *a);

/* postern flush, postern trace. */
int flush_queue(struct admin *a);
int trace_message(struct admin *a);

#endif
