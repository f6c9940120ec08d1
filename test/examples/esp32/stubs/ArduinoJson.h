// As much of ArduinoJson 7 as the example uses.
#pragma once

#include <stddef.h>

enum class DeserializationError { Ok, InvalidInput };

struct JsonObjectConst {};

struct JsonVariantConst {
  bool isNull() const;
  template <typename T>
  bool is() const;
  template <typename T>
  T as() const;
};

template <typename T>
T operator|(const JsonVariantConst& variant, const T& otherwise);

struct JsonMember {
  JsonMember operator[](const char* key);
  template <typename T>
  JsonMember& operator=(const T& value);
  template <typename T>
  bool is() const;
  template <typename T>
  T as() const;
  operator JsonVariantConst() const;
};

struct JsonDocument {
  JsonMember operator[](const char* key);
};

DeserializationError deserializeJson(JsonDocument& into, const char* text);
DeserializationError deserializeJson(JsonDocument& into, const char* text, size_t size);
size_t measureJson(const JsonVariantConst& value);
size_t serializeJson(const JsonVariantConst& value, char* into, size_t size);
size_t serializeJson(const JsonDocument& document, char* into, size_t size);
