//! Which IP addresses are public: a host on the internet may have one of them.
//!
//! The blocks are those of IANA's special-purpose registries for IPv4 and IPv6 (RFC 6890 and what has updated it).
//! Those that everybody can reach count as well, such as relays: nobody's API is there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const PRIVATE: &str = "private";
const LOOPBACK: &str = "the machine's own";
const LINK_LOCAL: &str = "link-local";
const DOCUMENTATION: &str = "for documentation only";
const BENCHMARKS: &str = "for benchmarks only";
const PROTOCOLS: &str = "reserved for protocols";
const RELAY: &str = "a relay's";
const MULTICAST: &str = "multicast";
const UNSPECIFIED: &str = "no host's";
const RESERVED: &str = "reserved";

/// A block's first address, the length of its prefix in bits, and what its addresses are. The first that fits says it.
type Block<Address> = (Address, u32, &'static str);

const V4: [Block<Ipv4Addr>; 19] = [
    (Ipv4Addr::UNSPECIFIED, 8, UNSPECIFIED),
    (Ipv4Addr::new(10, 0, 0, 0), 8, PRIVATE),
    (Ipv4Addr::new(100, 64, 0, 0), 10, "shared by a provider's customers"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, LOOPBACK),
    // With AWS's metadata, and the credentials that they hold.
    (Ipv4Addr::new(169, 254, 0, 0), 16, LINK_LOCAL),
    (Ipv4Addr::new(172, 16, 0, 0), 12, PRIVATE),
    (Ipv4Addr::new(192, 0, 0, 0), 24, PROTOCOLS),
    (Ipv4Addr::new(192, 0, 2, 0), 24, DOCUMENTATION),
    (Ipv4Addr::new(192, 31, 196, 0), 24, PROTOCOLS),
    (Ipv4Addr::new(192, 52, 193, 0), 24, RELAY),
    (Ipv4Addr::new(192, 88, 99, 0), 24, RELAY),
    (Ipv4Addr::new(192, 168, 0, 0), 16, PRIVATE),
    (Ipv4Addr::new(192, 175, 48, 0), 24, PROTOCOLS),
    (Ipv4Addr::new(198, 18, 0, 0), 15, BENCHMARKS),
    (Ipv4Addr::new(198, 51, 100, 0), 24, DOCUMENTATION),
    (Ipv4Addr::new(203, 0, 113, 0), 24, DOCUMENTATION),
    (Ipv4Addr::new(224, 0, 0, 0), 4, MULTICAST),
    (Ipv4Addr::BROADCAST, 32, "for everybody on a network"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, RESERVED),
];

const V6: [Block<Ipv6Addr>; 19] = [
    (Ipv6Addr::UNSPECIFIED, 128, UNSPECIFIED),
    (Ipv6Addr::LOCALHOST, 128, LOOPBACK),
    (v6(0x64, 0xff9b, 1), 48, "a translator's"),
    (v6(0x100, 0, 0), 63, "for discarding only"),
    (v6(0x5f00, 0, 0), 16, PROTOCOLS),
    // With AWS's metadata, at `fd00:ec2::254`.
    (v6(0xfc00, 0, 0), 7, PRIVATE),
    (v6(0xfe80, 0, 0), 10, LINK_LOCAL),
    (v6(0xfec0, 0, 0), 10, PRIVATE),
    (v6(0xff00, 0, 0), 8, MULTICAST),
    // All else outside of 2000::/3, in which global unicast addresses are.
    (v6(0x0000, 0, 0), 3, RESERVED),
    (v6(0x4000, 0, 0), 2, RESERVED),
    (v6(0x8000, 0, 0), 1, RESERVED),
    (v6(0x2001, 0, 0), 32, "a tunnel's"),
    (v6(0x2001, 2, 0), 48, BENCHMARKS),
    (v6(0x2001, 0, 0), 23, PROTOCOLS),
    (v6(0x2001, 0xdb8, 0), 32, DOCUMENTATION),
    (v6(0x2002, 0, 0), 16, "a tunnel's"),
    (v6(0x2620, 0x4f, 0x8000), 48, PROTOCOLS),
    (v6(0x3fff, 0, 0), 20, DOCUMENTATION),
];

const fn v6(first: u16, second: u16, third: u16) -> Ipv6Addr {
    Ipv6Addr::new(first, second, third, 0, 0, 0, 0, 0)
}

/// Why an address is not public, in words that follow "the address is"; `None` where it is public.
///
/// An IPv6 address that stands for an IPv4 address is judged as that: `::ffff:0:0/96` (RFC 4291, section 2.5.5.2), and
/// `64:ff9b::/96` (RFC 6052, section 2.1), by which a network without IPv4 reaches hosts that have nothing else.
pub fn refusal(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => of_v4(address),
        IpAddr::V6(address) => address.to_ipv4_mapped().or_else(|| translated(address)).map_or_else(
            || {
                let bits = u128::from(address);
                V6.iter().find(|(block, length, _)| (bits ^ u128::from(*block)) >> (128 - length) == 0).map(what)
            },
            of_v4,
        ),
    }
}

fn of_v4(address: Ipv4Addr) -> Option<&'static str> {
    let bits = u32::from(address);
    V4.iter().find(|(block, length, _)| (bits ^ u32::from(*block)) >> (32 - length) == 0).map(what)
}

fn what<Address>((_, _, what): &Block<Address>) -> &'static str {
    what
}

fn translated(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => {
            let [.., a, b, c, d] = address.octets();
            Some(Ipv4Addr::new(a, b, c, d))
        }
        _ => None,
    }
}

#[cfg(test)]
pub(super) mod samples;

#[cfg(test)]
mod tests {
    use super::samples::{NOT_PUBLIC, PUBLIC};
    use super::*;

    fn judged(address: &str) -> Option<&'static str> {
        refusal(address.parse().expect("an address"))
    }

    #[test]
    fn every_kind_of_address_that_is_not_public_is_refused() {
        for (address, what) in NOT_PUBLIC {
            assert_eq!(judged(address), Some(what), "{address}");
        }
    }

    #[test]
    fn public_addresses_are_not_refused() {
        for address in PUBLIC {
            assert_eq!(judged(address), None, "{address}");
        }
    }
}
