// A client in Node. Arguments: VIP, TCP port, UDP port, name.

const dgram = require("node:dgram");
const dns = require("node:dns");
const net = require("node:net");

const [vip, tcp, udp, name] = process.argv.slice(2);

function tell(what, text, host, port) {
  console.log(`${what} ${text.toString().trim()} ${host}:${port}`);
}

function stream() {
  return new Promise((resolve, reject) => {
    const socket = net.connect(Number(tcp), vip, () => socket.write("q\n"));
    socket.on("error", reject);
    socket.on("data", (text) => {
      tell("tcp", text, socket.remoteAddress, socket.remotePort);
      socket.destroy();
      resolve();
    });
  });
}

function datagram(what, ask) {
  return new Promise((resolve, reject) => {
    const socket = dgram.createSocket("udp4");
    socket.on("error", reject);
    socket.on("message", (text, from) => {
      tell(what, text, from.address, from.port);
      socket.close();
      resolve();
    });
    ask(socket);
  });
}

async function main() {
  await stream();
  await datagram("udp", (socket) => socket.send("q\n", Number(udp), vip));
  await datagram("connected-udp", (socket) => socket.connect(Number(udp), vip, () => socket.send("q\n")));
  // c-ares, which takes answers only from whom it asked.
  const resolver = new dns.promises.Resolver({ timeout: 2000, tries: 2 });
  resolver.setServers([`${vip}:53`]);
  console.log("dns", (await resolver.resolve4(name)).join());
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
