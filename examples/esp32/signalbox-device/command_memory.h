// The rules by which a device answers commands of Signalbox, in fixed memory (about 15 KiB) and without Arduino: it compiles
// anywhere. Times are those of millis(); all arithmetic on them survives its wrap-around after 49.7 days.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

namespace signalbox {

constexpr size_t kRemembered = 32;     // finished commands whose answers are kept for a repeat
constexpr size_t kWaiting = 8;         // commands that wait or run at once; what is more is BUSY
constexpr size_t kIdSize = 65;         // all sizes with the closing NUL
constexpr size_t kTypeSize = 65;
constexpr size_t kParamsSize = 513;
constexpr size_t kAnswerSize = 257;

// A command as it came in. `params` is its JSON text. `ttlMs` counts from receipt.
struct Command {
  char id[kIdSize];
  char type[kTypeSize];
  char params[kParamsSize];
  uint32_t receivedAt;
  uint32_t ttlMs;
};

constexpr uint32_t kNoTtl = UINT32_MAX;

// A type of command that the device can carry out, and whether it can do so with these params (JSON); nullptr: with any.
struct Type {
  const char* name;
  bool (*takes)(const char* params);
};

class CommandMemory {
 public:
  // Publishes an answer and returns the packet id, or 0 where there is no connection: then it is sent again by resend().
  using Send = uint16_t (*)(const char* id, const char* answer);

  template <size_t N>
  CommandMemory(Send send, const Type (&types)[N]) : send_(send), types_(types), typeCount_(N) {}

  // A command came in. What it is depends only on its id: one that is remembered is answered as before, and not carried out.
  void receive(const char* id, const char* type, const char* params, uint32_t ttlMs, uint32_t now) {
    if (repeat(id)) return;
    const Type* known = typeOf(type);
    if (known == nullptr) return reject(id, "UNKNOWN_TYPE");
    if (strlen(id) >= kIdSize || strlen(type) >= kTypeSize || strlen(params) >= kParamsSize) return reject(id, "TOO_LARGE");
    if (known->takes != nullptr && !known->takes(params)) return reject(id, "BAD_PARAMS");
    if (count_ == kWaiting) return reject(id, "BUSY");
    Command& command = queue_[(head_ + count_++) % kWaiting];
    strcpy(command.id, id);
    strcpy(command.type, type);
    strcpy(command.params, params);
    command.receivedAt = now;
    command.ttlMs = ttlMs;
    add(id);
  }

  // A message on a command topic that is no command, or one that this device cannot hold.
  void refuse(const char* id, const char* code) {
    if (!repeat(id)) reject(id, code);
  }

  // A cancel notice: what waits is given up now, what runs at its next step (isCancelled), what is finished is answered again.
  void cancel(const char* id) {
    Remembered* known = find(id);
    if (known == nullptr) return;
    if (known->isFinal) return say(*known);
    if (running_ && strcmp(queue_[head_].id, id) == 0) cancelRequested_ = true;
    else finish(id, "{\"status\":\"cancelled\"}");
  }

  // The next command to carry out, now accepted; nullptr where there is none, or while one runs. It stays valid until its end.
  const Command* begin(uint32_t now) {
    while (!running_ && count_ > 0) {
      const Command& command = queue_[head_];
      const Remembered* known = find(command.id);
      const bool isCancelled = known == nullptr || known->isFinal;
      // Unsigned, so that it is right over the wrap-around too.
      const bool isExpired = command.ttlMs != kNoTtl && now - command.receivedAt >= command.ttlMs;
      if (isCancelled) {
        drop();
      } else if (isExpired) {
        reject(command.id, "EXPIRED");
        drop();
      } else {
        running_ = true;
        cancelRequested_ = false;
        answer(command.id, "{\"status\":\"accepted\"}", false);
        return &command;
      }
    }
    return nullptr;
  }

  // Whether the running command is to be given up: then call cancelled(), if nothing of it was done.
  bool isCancelled() const { return running_ && cancelRequested_; }

  // How far the running command is, 0 to 100.
  void progress(int percent) {
    char text[kAnswerSize];
    snprintf(text, sizeof text, "{\"status\":\"progress\",\"progress\":%d}", percent);
    if (running_) answer(queue_[head_].id, text, false);
  }

  // The end of the running command. `result` is JSON; one that is too long is left out. `message` must need no escaping.
  void succeeded(const char* result) {
    char text[kAnswerSize];
    const int size = snprintf(text, sizeof text, "{\"status\":\"succeeded\",\"result\":%s}", result);
    const bool fits = size > 0 && static_cast<size_t>(size) < sizeof text;
    end(fits ? text : "{\"status\":\"succeeded\",\"message\":\"the result was too long\"}");
  }
  void failed(const char* message) {
    char text[kAnswerSize];
    snprintf(text, sizeof text, "{\"status\":\"failed\",\"code\":\"ERROR\",\"message\":\"%.180s\"}", message);
    end(text);
  }
  void cancelled() { end("{\"status\":\"cancelled\"}"); }

  // The broker has acknowledged a packet.
  void acknowledged(uint16_t packetId) {
    for (Remembered& one : memory_) {
      if (one.id[0] != 0 && one.packetId == packetId) one.packetId = kAcknowledged;
    }
  }

  // The connection has ended: what was not acknowledged is to be sent again.
  void connectionLost() {
    for (Remembered& one : memory_) {
      if (one.packetId != kAcknowledged) one.packetId = kUnsent;
    }
  }

  // Says again, oldest first, what no broker has acknowledged.
  void resend() {
    uint32_t after = 0;
    for (Remembered* next = oldestUnsent(after); next != nullptr; next = oldestUnsent(after)) {
      after = next->saidAt;
      say(*next);
    }
  }

 private:
  static constexpr int32_t kUnsent = -1;
  static constexpr int32_t kAcknowledged = -2;

  // A command that has come in and what was last said of it; an empty id is a free place, an empty answer says nothing yet.
  struct Remembered {
    char id[kIdSize];
    char answer[kAnswerSize];
    int32_t packetId;  // of the answer, or one of the constants above
    uint32_t saidAt;   // a count of answers
    bool isFinal;
  };

  Remembered* find(const char* id) {
    for (Remembered& one : memory_) {
      if (one.id[0] != 0 && strcmp(one.id, id) == 0) return &one;
    }
    return nullptr;
  }

  const Type* typeOf(const char* name) const {
    for (size_t i = 0; i < typeCount_; i++) {
      if (strcmp(types_[i].name, name) == 0) return &types_[i];
    }
    return nullptr;
  }

  bool repeat(const char* id) {
    Remembered* known = find(id);
    if (known != nullptr && known->answer[0] != 0) say(*known);
    return known != nullptr;
  }

  // There is always a free place: at most kRemembered are finished and kWaiting are not.
  Remembered& add(const char* id) {
    for (Remembered& one : memory_) {
      if (one.id[0] != 0) continue;
      memset(&one, 0, sizeof one);
      strcpy(one.id, id);
      one.packetId = kAcknowledged;
      return one;
    }
    return memory_[0];
  }

  void reject(const char* id, const char* code) {
    char text[kAnswerSize];
    snprintf(text, sizeof text, "{\"status\":\"rejected\",\"code\":\"%.64s\"}", code);
    // What cannot be remembered is not carried out either, so that a repeat may be refused anew.
    if (strlen(id) >= kIdSize) send_(id, text);
    else finish(id, text);
  }

  void finish(const char* id, const char* text) { answer(id, text, true); }

  void answer(const char* id, const char* text, bool isFinal) {
    Remembered* known = find(id);
    Remembered& one = known != nullptr ? *known : add(id);
    snprintf(one.answer, sizeof one.answer, "%s", text);
    one.isFinal = isFinal;
    one.saidAt = ++said_;
    say(one);
    if (isFinal) forget();
  }

  void say(Remembered& one) {
    const uint16_t packetId = send_(one.id, one.answer);
    one.packetId = packetId == 0 ? kUnsent : packetId;
  }

  // The last to finish stay, however long they took.
  void forget() {
    size_t finished = 0;
    Remembered* oldest = nullptr;
    for (Remembered& one : memory_) {
      if (one.id[0] == 0 || !one.isFinal) continue;
      finished += 1;
      if (oldest == nullptr || one.saidAt < oldest->saidAt) oldest = &one;
    }
    if (finished > kRemembered) oldest->id[0] = 0;
  }

  Remembered* oldestUnsent(uint32_t after) {
    Remembered* oldest = nullptr;
    for (Remembered& one : memory_) {
      if (one.id[0] == 0 || one.packetId != kUnsent || one.saidAt <= after) continue;
      if (oldest == nullptr || one.saidAt < oldest->saidAt) oldest = &one;
    }
    return oldest;
  }

  void drop() {
    head_ = (head_ + 1) % kWaiting;
    count_ -= 1;
  }

  void end(const char* text) {
    if (!running_) return;
    finish(queue_[head_].id, text);
    running_ = false;
    drop();
  }

  Send send_;
  const Type* types_;
  size_t typeCount_;
  Remembered memory_[kRemembered + kWaiting + 1] = {};
  Command queue_[kWaiting] = {};
  size_t head_ = 0;
  size_t count_ = 0;
  bool running_ = false;
  bool cancelRequested_ = false;
  uint32_t said_ = 0;
};

}  // namespace signalbox
