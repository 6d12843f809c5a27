// Between FFL_BEGIN and FFL_END functions are compiled for the instructions in FFL_TARGET.
#pragma once

#define FFL_STRING(...) #__VA_ARGS__
#define FFL_PRAGMA(...) _Pragma(FFL_STRING(__VA_ARGS__))

#if defined(__clang__)
#define FFL_BEGIN FFL_PRAGMA(clang attribute push(__attribute__((target(FFL_TARGET))), apply_to = function))
#define FFL_END FFL_PRAGMA(clang attribute pop)
#else
#define FFL_BEGIN FFL_PRAGMA(GCC push_options) FFL_PRAGMA(GCC target(FFL_TARGET))
#define FFL_END FFL_PRAGMA(GCC pop_options)
#endif
