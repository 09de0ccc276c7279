// A static client in Go, which makes its system calls itself. Arguments: VIP, TCP port,
// UDP port, name.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"strings"
	"time"
)

func tell(what string, text []byte, from net.Addr) {
	fmt.Println(what, strings.TrimSpace(string(text)), from)
}

func connected(what, network, to string) {
	conn, err := net.DialTimeout(network, to, 5*time.Second)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	answer := make([]byte, 99)
	conn.Write([]byte("q\n"))
	length, err := conn.Read(answer)
	if err != nil {
		log.Fatal(err)
	}
	// Asked for with getpeername() when it was connected.
	tell(what, answer[:length], conn.RemoteAddr())
}

func unconnected(what, network, to string) {
	conn, err := net.ListenPacket(network, ":0")
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	peer, err := net.ResolveUDPAddr("udp", to)
	if err != nil {
		log.Fatal(err)
	}
	answer := make([]byte, 99)
	conn.WriteTo([]byte("q\n"), peer)
	length, from, err := conn.ReadFrom(answer)
	if err != nil {
		log.Fatal(err)
	}
	tell(what, answer[:length], from)
}

func main() {
	vip, tcp, udp, name := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	connected("tcp", "tcp", net.JoinHostPort(vip, tcp))
	unconnected("udp", "udp4", net.JoinHostPort(vip, udp))
	// A socket of IPv6, for IPv4 as well.
	unconnected("mapped-udp", "udp", net.JoinHostPort(vip, udp))
	connected("connected-udp", "udp", net.JoinHostPort(vip, udp))
	resolver := net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var dialer net.Dialer
			return dialer.DialContext(ctx, network, net.JoinHostPort(vip, "53"))
		},
	}
	addresses, err := resolver.LookupIP(context.Background(), "ip4", name)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("dns", addresses[0])
}
