// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// A client of a C library, musl's among them. Arguments: VIP, TCP port, UDP port, name.

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *vip;

static struct sockaddr_in address(const char *port) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
    inet_pton(AF_INET, vip, &to.sin_addr);
    return to;
}

static void tell(const char *what, char *text, ssize_t length, const struct sockaddr_in *from) {
    char host[INET_ADDRSTRLEN];

    if (length < 1) {
        perror(what);
        exit(1);
    }
    text[length] = 0;
    text[strcspn(text, "\n")] = 0;
    inet_ntop(AF_INET, &from->sin_addr, host, sizeof(host));
    printf("%s %s %s:%d\n", what, text, host, ntohs(from->sin_port));
}

static void connected(const char *what, int kind, const char *port) {
    struct sockaddr_in to = address(port), peer;
    socklen_t size = sizeof(peer);
    int fd = socket(AF_INET, kind, 0);
    char text[128];

    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) || send(fd, "q\n", 2, 0) != 2) {
        perror(what);
        exit(1);
    }
    ssize_t length = recv(fd, text, sizeof(text) - 1, 0);
    getpeername(fd, (struct sockaddr *)&peer, &size);
    tell(what, text, length, &peer);
    close(fd);
}

static void unconnected(const char *port) {
    struct sockaddr_in to = address(port), from;
    socklen_t size = sizeof(from);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    char text[128];

    sendto(fd, "q\n", 2, 0, (struct sockaddr *)&to, sizeof(to));
    ssize_t length = recvfrom(fd, text, sizeof(text) - 1, 0, (struct sockaddr *)&from, &size);
    tell("udp", text, length, &from);
    close(fd);
}

static void resolve(const char *name) {
    struct addrinfo wanted = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    char host[INET_ADDRSTRLEN];
    int error = getaddrinfo(name, NULL, &wanted, &found);

    if (error) {
        fprintf(stderr, "%s: %s\n", name, gai_strerror(error));
        exit(1);
    }
    struct sockaddr_in *first = (struct sockaddr_in *)found->ai_addr;
    printf("dns %s\n", inet_ntop(AF_INET, &first->sin_addr, host, sizeof(host)));
}

int main(int count, char **arguments) {
    if (count != 5)
        return 64;
    vip = arguments[1];
    connected("tcp", SOCK_STREAM, arguments[2]);
    unconnected(arguments[3]);
    connected("connected-udp", SOCK_DGRAM, arguments[3]);
    resolve(arguments[4]);
}
