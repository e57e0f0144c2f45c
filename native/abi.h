/* SPDX-License-Identifier: Apache-2.0
 *
 * The contract between C and Python. cffi reads this file as cdef and native.h includes it,
 * so it holds declarations only: no preprocessor but plain numeric #define.
 *
 * Rules: the caller owns all memory; the object comes first; functions return 0 or a count,
 * or a negative EG_E... code (-errno where the kernel refused). No function keeps a pointer
 * that it was given unless its comment says so. Addresses and ports are in host order.
 */

/* ---- errors: eg_error() gives the sentence ------------------------------------------- */

#define EG_E_BASE 10000          /* below -EG_E_BASE: ours; above: -errno */
#define EG_E_EMPTY 10001         /* no bytes at all */
#define EG_E_NOT_SAVEFILE 10002  /* neither pcap nor pcapng */
#define EG_E_VERSION 10003       /* a version nobody has specified */
#define EG_E_CORRUPT 10004       /* a length that cannot be: reading stopped there */
#define EG_E_CUT_HEADER 10005    /* ends inside the file header */

/* Static text for a negative code of ours or -errno; never NULL. */
const char *eg_error(int code);

/* ---- record: one decoded frame, one cache line ---------------------------------------- */

#define EG_SYN 0        /* TCP, SYN=1 ACK=0 */
#define EG_SYNACK 1     /* TCP, SYN=1 ACK=1 */
#define EG_RST 2        /* TCP, RST=1, not one of the above */
#define EG_TCP 3        /* other TCP, and TCP whose header is cut */
#define EG_UDP 4
#define EG_ICMP 5       /* ICMP and ICMPv6 */
#define EG_FRAGMENT 6   /* a later fragment of any protocol: see record.protocol */
#define EG_OTHER 7      /* IP with another or no protocol */
#define EG_CLASSES 8    /* the classes above are counted per VM */
#define EG_NON_IP 8     /* whole link header, type not IP */
#define EG_MALFORMED 9  /* cut link header, or an IP header that fails the rules */
#define EG_OTHER_LINK 10

#define EG_FLAG_HAS_PORTS 1   /* src_port and dst_port were read (also ICMP type/code: no) */
#define EG_FLAG_FIRST 2       /* first fragment of several */
#define EG_FLAG_SUPER 4       /* a segmentation-offload frame: packets > 1 */
#define EG_FLAG_CUT 8         /* snap length cut something the decoder wanted */

#define EG_NOBODY 0xffff      /* no attachment point known */
#define EG_MAX_TAGS 8         /* VLAN tags opened; more: EG_NON_IP, counted as too_many_tags */

struct eg_record {
    int64_t ts;                 /* ns since 1970, as captured */
    uint64_t src_hi, src_lo;    /* IPv6 halves; IPv4: hi 0, lo the address */
    uint64_t dst_hi, dst_lo;
    uint32_t bytes;             /* IP bytes on the wire; repeated headers of a super-frame included */
    uint32_t packets;           /* wire packets: 1, or ceil(payload / gso_size) */
    uint16_t src_port, dst_port;
    uint16_t out_of, into;      /* attachment point index the frame left / entered, or EG_NOBODY */
    uint8_t family;             /* 4, 6, or 0 */
    uint8_t protocol;           /* upper protocol number; 255 none known */
    uint8_t kind;               /* EG_SYN ... EG_OTHER_LINK */
    uint8_t flags;              /* EG_FLAG_... */
    uint8_t tcp_flags;
    uint8_t icmp_type;          /* of ICMP and ICMPv6, where it was read; else 0 */
    uint16_t vlan;              /* outermost VLAN id, 0 none */
};

/* Running totals over every frame decoded; frames = ipv4+ipv6+non_ip+malformed+other_link.
 * Below that line they count wire packets (equal to frames without offload). */
struct eg_totals {
    uint64_t frames, ipv4, ipv6, non_ip, malformed, other_link;
    uint64_t tcp_syn, tcp_synack, udp, udp_bytes, icmp, fragments;
    /* non_ip by name */
    uint64_t arp, mpls, pppoe, pbb, too_many_tags, llc, other_type;
};

/* Decode one frame. `frame` holds `captured` bytes of a frame of `wire` bytes; `link_type` is a
 * LINKTYPE_ number; gso_size 0 means one packet. Writes every field of *r but ts, out_of, into.
 * Reads nothing outside the frame. `totals` may not be NULL. */
void eg_decode(const uint8_t *frame, uint32_t captured, uint32_t wire, uint32_t link_type,
               uint32_t gso_size, struct eg_record *r, struct eg_totals *totals);

/* ---- attachment points: who is behind an interface or a MAC ---------------------------- */

#define EG_POINT_REVERSED 0x8000  /* macvtap: received = into the VM */

/* Open addressing (linear, multiplicative hash: (key * 0x9E3779B97F4A7C15) >> 40, & mask).
 * key 0 = empty. Live: key = ifindex. Savefile: key = MAC as a 48-bit number.
 * value = point index | EG_POINT_REVERSED. mask + 1 slots, at most half full. */
struct eg_points {
    uint32_t mask;
    uint32_t used;
    uint64_t *keys;
    uint16_t *values;
};

uint16_t eg_points_find(const struct eg_points *p, uint64_t key);

/* On a mirror port the key is MAC | VLAN << 48 (no tag: VLAN 0); a tagged frame without such a
 * key is looked up by its MAC alone. Two values have a meaning there: */
#define EG_POINT_STRANGER 0x8000  /* | index: a MAC that the inventory does not know */
#define EG_POINT_HOST 0x7ffd      /* a MAC of the host itself: no attachment point */

/* ---- twins: frames that came twice ------------------------------------------------------ */

#define EG_TWINS_EVERY 256      /* one frame of so many is looked at, the same ones each time they come */

struct eg_twin {
    uint64_t hash;              /* of the frame's first bytes; 0: empty */
    int64_t ts;                 /* when it last came */
    uint32_t times;             /* within a second each */
    uint32_t close;             /* of them, within 4 ms of the one before */
};

/* The frames looked at last, by their hash. A frame that comes again within 4 ms was copied twice
 * on its way here; but one that comes 4 times, within a second each, is repeated by its sender, as
 * the packets of a flood may be, and says nothing about the copying. */
struct eg_twins {
    uint64_t looked;            /* frames looked at */
    uint64_t twice;             /* of them, further copies of one that had come just before */
    uint64_t repeated;          /* of them, repeated by their sender */
    struct eg_twin seen[1024];
};

/* ---- headers: the last frames of each attachment point, headers only --------------------- */

#define EG_HEADERS_KEPT 512     /* frames of each point */
#define EG_HEADERS_BYTES 112    /* of a frame, at most */
#define EG_HEADERS_OUT 1        /* out of the point; else into it */
#define EG_HEADERS_TAGGED 2     /* the kernel took a VLAN tag off: `tag` */
#define EG_HEADERS_RAW 4        /* begins with its IP header */

struct eg_headers_frame {
    int64_t ts;
    uint32_t wire;              /* bytes of the frame as it lay in the ring */
    uint16_t tag;
    uint8_t captured, flags;
    uint8_t bytes[112];
};

struct eg_headers_point {
    int64_t due;                /* a frame with this stamp or a later one is kept */
    uint64_t kept;              /* frames so far; the last EG_HEADERS_KEPT are there, place: number % that */
};

/* The caller owns the arrays, zeroed; readers of several rings may share them. Whoever reads them does
 * so while no ring is read. */
struct eg_headers {
    struct eg_headers_point *point;
    struct eg_headers_frame *frame;     /* [points][EG_HEADERS_KEPT] */
    uint32_t points, reserved;
    uint64_t random;                    /* not 0: nobody who sends packets may know it */
};

/* Of a frame's captured bytes, those that are headers: up to the end of the TCP, UDP, SCTP or ICMP
 * header of the outermost IP packet. */
uint32_t eg_headers_end(const uint8_t *frame, uint32_t captured, uint32_t wire, uint32_t link_type);
/* Keep the frame if it is due: what the readers do with every frame of a point. */
void eg_headers_offer(struct eg_headers *h, uint32_t point, uint32_t flags, const uint8_t *frame,
                      uint32_t captured, uint32_t wire, uint32_t link_type, int64_t ts, uint32_t tag);

/* ---- savefile: pcap and pcapng in memory ----------------------------------------------- */

#define EG_MAX_INTERFACES 256   /* per pcapng section; frames of later ones are EG_OTHER_LINK */

struct eg_interface {
    uint32_t link_type;
    uint32_t snap;
    uint64_t units;             /* ticks a second */
    int64_t offset;             /* seconds, if_tsoffset */
};

struct eg_savefile {
    const uint8_t *bytes;       /* kept until the caller forgets the struct */
    uint64_t length, at;
    uint32_t is_pcapng, swapped, nanosecond;
    uint32_t record_header;     /* pcap: 16, or 24 with the modified magic */
    uint32_t lengths_reversed;  /* pcap before 2.4: captured and wire length changed places; 2: perhaps */
    uint32_t interfaces;
    int32_t error;              /* 0, or why reading stopped early: EG_E_CORRUPT, EG_E_VERSION */
    uint32_t truncated;         /* 1: ends inside a record */
    uint64_t error_at;          /* byte offset of the record that could not be read */
    /* the clock, as found so far */
    int64_t first_ts, last_ts;  /* smallest and largest */
    int64_t previous_ts;
    uint64_t stamps_backwards, stamps_equal, stamps_whole_second, stamps_bad_fraction, stamps_none;
    struct eg_interface interface[256];
    /* link types of the EG_OTHER_LINK frames, as met; 0xffffffff: an interface never described */
    uint32_t other_links[8];
    uint32_t other_links_used;
    struct eg_twins *twins;     /* set by the caller: where frames that came twice are counted, or NULL */
};

/* Read the file header at bytes[0..length). 0 or -EG_E_... */
int eg_savefile_open(struct eg_savefile *f, const uint8_t *bytes, uint64_t length);

/* Decode up to `room` next frames into out; the number decoded, 0 at the end (then look at
 * error and truncated). With points, Ethernet source and destination MAC are looked up for
 * out_of and into; without (NULL) both are EG_NOBODY. */
int64_t eg_savefile_read(struct eg_savefile *f, const struct eg_points *points,
                         struct eg_record *out, uint32_t room, struct eg_totals *totals);

/* ---- ring: one AF_PACKET TPACKET_V3 socket over all interfaces ------------------------- */

struct eg_ring {
    int32_t fd;
    uint32_t block_bytes, blocks;
    uint32_t block;             /* the one being read */
    uint32_t left;              /* frames left in it */
    uint32_t reserved;
    uint8_t *map;
    uint8_t *cursor;            /* next frame in the block */
    uint64_t received, lost, freezes;   /* running totals; the kernel's are reset by reading */
    uint64_t unknown;           /* frames of interfaces without a point */
    struct eg_headers *headers; /* set by the caller: where headers are kept, or NULL */
};

/* Needs CAP_NET_RAW. The socket starts with a filter that lets nothing through, until
 * eg_ring_exclude() says what to leave out. retire_ms: how long the kernel may hold a block. */
int eg_ring_open(struct eg_ring *r, uint32_t block_bytes, uint32_t blocks, uint32_t retire_ms);
/* Everything but these interfaces is captured from now on. */
int eg_ring_exclude(struct eg_ring *r, const uint32_t *ifindexes, uint32_t n);
/* Decode what is ready, of as many blocks as there is room for; 0 when nothing is ready. A block
 * goes back to the kernel when its last frame was decoded. */
int64_t eg_ring_read(struct eg_ring *r, const struct eg_points *points, struct eg_record *out,
                     uint32_t room, struct eg_totals *totals);
int eg_ring_statistics(struct eg_ring *r);   /* refresh received, lost, freezes */
/* Frames are shared among this ring and those that join it, by their remote prefix and `odd`; the
 * number of the group (0 to 65535). */
int eg_ring_share(struct eg_ring *r, uint32_t odd);
/* Before eg_ring_exclude(), so that nothing is lost at a ring that is silent still. */
int eg_ring_join(struct eg_ring *r, uint32_t group);
void eg_ring_close(struct eg_ring *r);

/* ---- mirror: a ring over ports that carry copies of many machines' frames ----------------- */

#define EG_MIRROR_PORTS 8

struct eg_mirror {
    uint32_t ports[8];          /* ifindexes */
    uint32_t used;
    uint32_t vxlan_port;        /* UDP destination port that carries VXLAN here; 0: none does */
    uint32_t full;              /* no further stranger gets a point of its own ... */
    uint32_t overflow;          /* ... but is counted at this one */
    uint64_t overflowed;        /* frames counted there, running total */
    uint64_t opened;            /* frames taken out of VXLAN, running total */
    uint64_t stranger;          /* reading stopped: this key (MAC | VLAN << 48) has no point; 0: none */
};

/* Only these interfaces (EG_MIRROR_PORTS at most) are captured from now on; `tunnelled`: more of
 * each frame is copied, for the headers inside. */
int eg_ring_only(struct eg_ring *r, const uint32_t *ifindexes, uint32_t n, uint32_t tunnelled);
/* Frames to any MAC are taken in at this interface, as long as the socket is open. */
int eg_ring_promiscuous(struct eg_ring *r, uint32_t ifindex);
/* As eg_ring_read(), with out_of and into by MAC and VLAN. A frame from a sender without a point,
 * to no virtual machine, ends the call before it: give m->stranger a point, and read on. A frame
 * from a stranger or the host to a virtual machine only goes into it. `twins` may not be NULL. */
int64_t eg_ring_read_mirror(struct eg_ring *r, struct eg_mirror *m, const struct eg_points *points,
                            struct eg_twins *twins, struct eg_record *out, uint32_t room,
                            struct eg_totals *totals);

/* ---- flows: the filter and the flow memory of keys without bound --------------------------- */

#define EG_FLOW_SLOT_NS 100000000
#define EG_FLOW_WINDOW 10       /* slots of a window, which lies within one more */
#define EG_FLOW_RING 12         /* slots that an entry remembers: the running one and 11 before it */
#define EG_FLOW_QUIET 11        /* whole slots below the threshold after which an entry may leave */
#define EG_FLOW_GENERATIONS 13  /* of the filter: none is used twice in a window */
#define EG_FLOW_LEVELS 2        /* of the filter: addresses, prefixes */
#define EG_FLOW_LINES 4096
#define EG_FLOW_LANES 32        /* u16: a line is a cache line */
#define EG_FLOW_FULL 32768      /* a lane that reached one admission threshold; lanes saturate here */
#define EG_FLOW_CLASSES 3       /* with a limit of their own */
#define EG_FLOW_SYN 0
#define EG_FLOW_UDP 1
#define EG_FLOW_PACKETS 2
#define EG_FLOW_MOST 32767      /* entries: an index cell holds 15 bits of one */

/* what a key is; 0: a free entry */
#define EG_FLOW_ADDRESS4 1
#define EG_FLOW_ADDRESS6 2
#define EG_FLOW_PREFIX4 3       /* /24 */
#define EG_FLOW_NET6 4          /* /64 */
#define EG_FLOW_PREFIX6 5       /* /48 */
#define EG_FLOW_IN 16           /* added to it: remote as source; else as target */

/* One key of the flow memory, as far as its packets touch it: a cache line of its own. */
struct eg_flow {
    uint64_t hi, lo;
    uint32_t now[4];            /* packets by class in the running slot; the last is not used */
    int64_t loud;               /* last whole slot that reached the admission threshold, or that of admission */
    uint32_t what;
    uint32_t top, top_credit;   /* attachment point that leads (Boyer-Moore) */
    uint32_t spare[3];
};

struct eg_flow_past {
    int64_t since;              /* slot of admission: counts are exact from within it */
    uint32_t ring[12][3];       /* packets by class in the slots before the running one */
};

/* One slot of the filter's history; in the order in which they were entered, not by number. */
struct eg_generation {
    int64_t slot;
    int64_t doubled;            /* times the limits were doubled in it */
    uint64_t seed;              /* multiplier of the hash */
    uint32_t threshold[3];      /* that admits [packets in the slot] */
    uint32_t cost[3];           /* of one packet of a class, in parts of EG_FLOW_FULL */
};

/* The caller owns the arrays, on cache-line boundaries, zeroed. */
struct eg_flows {
    uint16_t *cells;            /* [generations][levels][lines][lanes] */
    struct eg_flow *flows;      /* [entries] */
    struct eg_flow_past *past;  /* [entries] */
    int32_t *free_links;        /* [entries]: the next free one; -1: none */
    uint32_t *index;            /* [mask + 1], a power of two, at most half full: 17 bits of hash, entry + 1 */
    uint32_t mask, entries;
    uint64_t key[2];            /* secret: every multiplier is SipHash-2-4 of it */
    uint64_t home[2];           /* multipliers of the hash that finds an index cell */
    int64_t slot, slot_end;     /* of time as it is counted here, which never runs backwards */
    int64_t shift;              /* ns from packet time to it: what clocks were set back by */
    int64_t behind;             /* stamp of the first of a run of packets far behind; 0: none */
    int64_t next[3];            /* admission threshold [packets in one slot] from the next slot on */
    int64_t next_doubled;       /* times the limits are doubled from then on */
    int64_t quiet;              /* whole slots below the threshold after which an entry leaves: EG_FLOW_QUIET */
    uint32_t running;           /* generation of the running slot */
    uint32_t cleaned;           /* bytes of the one after it that are zero again */
    int32_t free_head;          /* -1: none */
    uint32_t used;
    uint64_t refused, admitted, evicted, late;
    struct eg_generation generation[13];
};

struct eg_flow_bounds {
    uint64_t hi, lo;
    uint32_t what;
    uint32_t entry;             /* its number + 1; 0: none */
    uint32_t point, spare;      /* the attachment point that leads; EG_NOBODY: none */
    int64_t low, high;          /* packets of a class in the running slot and the ten before it */
};

/* Work out the index's multipliers from `key`, and clear time: once, after the arrays are set. */
void eg_flows_open(struct eg_flows *m);
/* Count rows[0..n) by their remote keys. Out of a VM: the target and its prefix (/24, /48). Into a
 * VM, or without an attachment point: the source, and for IPv6 its /64. A packet older than the
 * running slot counts in it. Where a slot begins, entries leave that were quiet for EG_FLOW_QUIET
 * whole slots. The number of keys counted. */
int64_t eg_flows_add(struct eg_flows *m, const struct eg_record *rows, int64_t n);
/* Let an entry go now; what it counted goes back to the filter. */
void eg_flows_let_go(struct eg_flows *m, uint32_t entry);
/* Mean lane in a slot, of the level that is fuller; 0: nothing was counted in it, or it is forgotten. */
double eg_flows_fullness(const struct eg_flows *m, int64_t slot);
/* The generation of a slot of the history, or NULL. */
const struct eg_generation *eg_flows_generation(const struct eg_flows *m, int64_t slot);
/* Every entry whose upper bound of a class reaches `at_most`; `found` has room for m->used. */
int64_t eg_flows_survey(const struct eg_flows *m, uint32_t class_, int64_t at_most, struct eg_flow_bounds *found);
/* The bounds of n keys (hi, lo, what are given), with or without an entry. */
void eg_flows_ask(const struct eg_flows *m, uint32_t class_, struct eg_flow_bounds *asked, int64_t n);
/* SipHash-2-4 of one 64-bit word (Aumasson and Bernstein, 2012). */
uint64_t eg_siphash(const uint64_t key[2], uint64_t message);

/* ---- links: the kernel's own counters --------------------------------------------------- */

struct eg_link_counter {
    uint32_t ifindex;
    uint32_t reserved;
    uint64_t rx_frames, tx_frames, rx_bytes, tx_bytes, rx_dropped, tx_dropped;
};

/* All links of this namespace (RTM_GETSTATS dump, IFLA_STATS_LINK_64). The number written, or
 * -errno; -ENOSPC when room is too small. */
int64_t eg_link_counters(struct eg_link_counter *out, uint32_t room);

/* ---- rights ------------------------------------------------------------------------------ */

/* Keep only the capabilities in `keep` (bit = number in linux/capability.h) in the permitted and
 * effective sets, none in the others, and set no_new_privs. Cannot be undone. */
int eg_rights_keep(uint64_t keep);
/* Let no memory of this process become executable that was not, nor be both written and executed
 * (PR_SET_MDWE, Linux 6.3; 0 where the kernel knows no such thing). Cannot be undone. */
int eg_code_freeze(void);
/* Deny what is listed in seccomp.c, in every thread: EPERM. Sets no_new_privs. Cannot be undone. */
int eg_calls_deny(void);

/* ---- sender: the lab's traffic ------------------------------------------------------------ */

struct eg_sender {
    int32_t fd;
    uint32_t offload;           /* frames start with a virtio_net_hdr */
    uint64_t next;              /* place in the cycle of frames, kept from call to call */
};

int eg_sender_open(struct eg_sender *s, uint32_t ifindex, uint32_t offload);
/* Send `count` frames, cycling through the n frames at bytes[offsets[i]..offsets[i+1]), paced to
 * `rate` a second (0: as fast as it goes), until *stop is set or `deadline_ns` (CLOCK_MONOTONIC)
 * passes. The number sent. */
int64_t eg_sender_run(struct eg_sender *s, const uint8_t *bytes, const uint32_t *offsets, uint32_t n,
                      uint64_t count, uint64_t rate, int64_t deadline_ns, volatile int32_t *stop);
void eg_sender_close(struct eg_sender *s);
