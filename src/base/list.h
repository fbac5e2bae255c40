/*
 * base/list.h - objects in a row: a doubly linked list through a member of each of them
 *
 * The link is part of the object, so being in a list costs no memory of its own, nothing can fail, and leaving one needs no search. An object
 * with several links is in several lists. All zeros is an empty list, so what is zeroed or lent from a pool needs no beginning; a list may be
 * moved, its objects not.
 *
 * A list does not know where in its objects the link lies: who asks for one says so.
 *
 *     struct thing { struct list_link link; ... };
 *     enum { LINK = offsetof(struct thing, link) };
 *
 *     for (struct thing *t = list_first(l, LINK); t != NULL; t = list_next(&t->link, LINK))
 *         look_at(t);
 *     for (struct thing *t = list_first(l, LINK), *next; t != NULL; t = next) {
 *         next = list_next(&t->link, LINK); // before t may go
 *         ...
 *     }
 *
 * All of it is inline and O(1). Which neighbour there is, is branched upon, not computed: a branch is foreseen, where a conditional move waits for
 * what it chooses from, and in the fair queue's rounds that is seen.
 */
#ifndef TETHER_BASE_LIST_H
#define TETHER_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

/** A member of the object. Means nothing while it is in no list. */
struct list_link {
    struct list_link *next, *prev; /**< NULL: the last; the first */
};

struct list {
    struct list_link *first, *last; /**< NULL: it is empty */
};

static inline bool list_is_empty(const struct list *list)
{
    return list->first == NULL;
}

/** The object around a link. @param offset of the link in it @return NULL for NULL */
static inline void *list_object(struct list_link *link, size_t offset)
{
    return link != NULL ? (char *)link - offset : NULL;
}

/** @param offset of the link in the objects @return the first object, or NULL: it is empty */
static inline void *list_first(const struct list *list, size_t offset)
{
    return list_object(list->first, offset);
}
/** The last object, or NULL: it is empty. */
static inline void *list_last(const struct list *list, size_t offset)
{
    return list_object(list->last, offset);
}
/** @param link of an object in a list @return the object behind it, or NULL: it is the last */
static inline void *list_next(const struct list_link *link, size_t offset)
{
    return list_object(link->next, offset);
}
/** The object in front of it, or NULL: it is the first. */
static inline void *list_prev(const struct list_link *link, size_t offset)
{
    return list_object(link->prev, offset);
}

/** Put an object in front of all. @param link in no list */
static inline void list_prepend(struct list *list, struct list_link *link)
{
    link->prev = NULL;
    link->next = list->first;
    if (list->first != NULL)
        list->first->prev = link;
    else
        list->last = link;
    list->first = link;
}
/** Put an object behind all. @param link in no list */
static inline void list_append(struct list *list, struct list_link *link)
{
    link->next = NULL;
    link->prev = list->last;
    if (list->last != NULL)
        list->last->next = link;
    else
        list->first = link;
    list->last = link;
}
/** Put an object behind another. @param prev of this list; NULL: in front of all @param link in no list */
static inline void list_insert(struct list *list, struct list_link *prev, struct list_link *link)
{
    if (prev == NULL) {
        list_prepend(list, link);
        return;
    }
    link->prev = prev;
    link->next = prev->next;
    if (link->next != NULL)
        link->next->prev = link;
    else
        list->last = link;
    prev->next = link;
}

/** Take an object out. @param link in this list */
static inline void list_remove(struct list *list, struct list_link *link)
{
    if (link->prev != NULL)
        link->prev->next = link->next;
    else
        list->first = link->next;
    if (link->next != NULL)
        link->next->prev = link->prev;
    else
        list->last = link->prev;
}

#endif
