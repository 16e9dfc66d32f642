"""Names of link types (https://www.tcpdump.org/linktypes.html), for the sentence that says which one cannot be replayed."""

SUPPORTED = {1: "Ethernet", 0: "NULL", 12: "raw IP", 14: "raw IP", 101: "raw IP", 108: "LOOP", 113: "Linux cooked (SLL)", 228: "IPv4",
             229: "IPv6", 276: "Linux cooked v2 (SLL2)"}
OTHERS = {3: "AX25", 6: "IEEE802_5 (token ring)", 7: "ARCNET_BSD", 8: "SLIP", 9: "PPP", 10: "FDDI", 50: "PPP_HDLC", 51: "PPP_ETHER",
          99: "SYMANTEC_FIREWALL", 100: "ATM_RFC1483", 104: "C_HDLC", 105: "IEEE802_11", 107: "FRELAY", 109: "ENC", 114: "LTALK",
          117: "PFLOG", 119: "PRISM", 122: "IP_OVER_FC", 123: "SUNATM", 127: "IEEE802_11_RADIOTAP", 129: "ARCNET_LINUX",
          138: "APPLE_IP_OVER_IEEE1394", 139: "MTP2_WITH_PHDR", 140: "MTP2", 141: "MTP3", 142: "SCCP", 143: "DOCSIS",
          144: "LINUX_IRDA", 163: "IEEE802_11_AVS", 165: "BACNET_MS_TP", 166: "PPP_PPPD", 169: "GPRS_LLC", 177: "LINUX_LAPD",
          182: "MFR", 187: "BLUETOOTH_HCI_H4", 189: "USB_LINUX", 192: "PPI", 195: "IEEE802_15_4_WITHFCS", 197: "ERF",
          201: "BLUETOOTH_HCI_H4_WITH_PHDR", 204: "PPP_WITH_DIR", 215: "IEEE802_15_4_NONASK_PHY", 220: "USB_LINUX_MMAPPED",
          224: "FC_2", 226: "IPNET", 227: "CAN_SOCKETCAN", 230: "IEEE802_15_4_NOFCS", 231: "DBUS", 239: "NFLOG", 240: "NETANALYZER",
          242: "IPOIB", 247: "INFINIBAND", 249: "USBPCAP", 251: "BLUETOOTH_LE_LL", 253: "NETLINK", 254: "BLUETOOTH_LINUX_MONITOR",
          258: "PKTAP", 265: "NORDIC_BLE", 268: "DSA_TAG_BRCM", 271: "VSOCK", 272: "NORDIC_BLE", 278: "OPENVIZSLA", 279: "EBHSCR",
          280: "VPP_DISPATCH", 281: "DSA_TAG_BRCM", 282: "DSA_TAG_BRCM_PREPEND", 283: "IEEE802_15_4_TAP", 284: "DSA_TAG_DSA",
          285: "DSA_TAG_EDSA", 288: "USB_2_0", 289: "ATSC_ALP"}


def describe(linktype: int) -> str:
    """"127 (IEEE802_11_RADIOTAP)"."""
    name = SUPPORTED.get(linktype) or OTHERS.get(linktype)
    if name is None and 147 <= linktype <= 162:
        name = f"USER{linktype - 147}"
    return f"{linktype} ({name})" if name else str(linktype)


def supported() -> str:
    """The sentence's end: what can be."""
    return "Ethernet (1), raw IP (101, 12, 14, 228, 229), Linux cooked (113, 276), NULL (0), LOOP (108)"
