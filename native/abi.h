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
    uint8_t reserved;
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
};

/* Needs CAP_NET_RAW. The socket starts with a filter that lets nothing through, until
 * eg_ring_exclude() says what to leave out. retire_ms: how long the kernel may hold a block. */
int eg_ring_open(struct eg_ring *r, uint32_t block_bytes, uint32_t blocks, uint32_t retire_ms);
/* Everything but these interfaces is captured from now on. */
int eg_ring_exclude(struct eg_ring *r, const uint32_t *ifindexes, uint32_t n);
/* Decode what is ready of one block; 0 when nothing is ready. The block goes back to the
 * kernel when its last frame was decoded. */
int64_t eg_ring_read(struct eg_ring *r, const struct eg_points *points, struct eg_record *out,
                     uint32_t room, struct eg_totals *totals);
int eg_ring_statistics(struct eg_ring *r);   /* refresh received, lost, freezes */
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
