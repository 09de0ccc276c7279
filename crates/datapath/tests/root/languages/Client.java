// A client in Java, whose sockets are of IPv6 and know IPv4 addresses as mapped ones.
// Arguments: VIP, TCP port, UDP port.

import java.io.IOException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.DatagramChannel;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;

class Client {
    private static final byte[] QUESTION = "q\n".getBytes(StandardCharsets.US_ASCII);

    public static void main(String[] arguments) throws IOException {
        var tcp = new InetSocketAddress(arguments[0], Integer.parseInt(arguments[1]));
        var udp = new InetSocketAddress(arguments[0], Integer.parseInt(arguments[2]));
        stream(tcp);
        waiting(tcp);
        datagrams(udp);
        channel(udp);
    }

    private static void stream(InetSocketAddress to) throws IOException {
        try (var socket = new Socket()) {
            socket.connect(to, 5000);
            socket.getOutputStream().write(QUESTION);
            var answer = new byte[99];
            tell("tcp", answer, socket.getInputStream().read(answer), socket.getRemoteSocketAddress());
        }
    }

    // Connecting without waiting.
    private static void waiting(InetSocketAddress to) throws IOException {
        try (var selector = Selector.open(); var channel = SocketChannel.open()) {
            channel.configureBlocking(false);
            if (!channel.connect(to)) {
                channel.register(selector, SelectionKey.OP_CONNECT);
                selector.select(5000);
                channel.finishConnect();
                channel.keyFor(selector).cancel();
                selector.selectNow();
            }
            channel.configureBlocking(true);
            channel.write(ByteBuffer.wrap(QUESTION));
            var answer = ByteBuffer.allocate(99);
            tell("nio-tcp", answer.array(), channel.read(answer), channel.getRemoteAddress());
        }
    }

    private static void datagrams(InetSocketAddress to) throws IOException {
        try (var socket = new DatagramSocket()) {
            socket.setSoTimeout(5000);
            var answer = new DatagramPacket(new byte[99], 99);
            socket.send(new DatagramPacket(QUESTION, QUESTION.length, to));
            socket.receive(answer);
            tell("udp", answer.getData(), answer.getLength(), answer.getSocketAddress());
            socket.connect(to);
            socket.send(new DatagramPacket(QUESTION, QUESTION.length));
            answer.setLength(99);
            socket.receive(answer);
            tell("connected-udp", answer.getData(), answer.getLength(), answer.getSocketAddress());
        }
    }

    private static void channel(InetSocketAddress to) throws IOException {
        try (var channel = DatagramChannel.open()) {
            channel.send(ByteBuffer.wrap(QUESTION), to);
            var answer = ByteBuffer.allocate(99);
            var from = channel.receive(answer);
            tell("nio-udp", answer.array(), answer.position(), from);
        }
    }

    private static void tell(String what, byte[] text, int length, SocketAddress from) {
        var peer = (InetSocketAddress) from;
        var answer = new String(text, 0, length, StandardCharsets.US_ASCII).strip();
        System.out.printf("%s %s %s:%d%n", what, answer, peer.getAddress().getHostAddress(), peer.getPort());
    }
}
