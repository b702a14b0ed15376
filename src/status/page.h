/* status/page.h: the page for people: one document that draws /status.json. It needs
 * nothing from elsewhere and puts text into the document as text only. */
#ifndef DG_STATUS_PAGE_H
#define DG_STATUS_PAGE_H

extern const char dg_page[];

#endif
