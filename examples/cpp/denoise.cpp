// Denoises a picture with a model that `unnoise export` wrote, by onnxruntime's C++ interface.
//
//     denoise model.onnx noisy.ppm restored.ppm
//
// Pictures are binary PPM with 8 bits (P6), so that nothing but onnxruntime is needed.

#include <onnxruntime_cxx_api.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

struct Picture {
  int64_t height = 0, width = 0;
  std::vector<uint8_t> values;  // (H, W, 3)
};

Picture read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string kind;
  int64_t most = 0;
  Picture picture;
  if (!(file >> kind >> picture.width >> picture.height >> most) || kind != "P6" || most != 255 || picture.width < 1 ||
      picture.height < 1)
    throw std::runtime_error(path + " is no binary PPM file with 8 bits; convert it, as by 'magick photo.jpg photo.ppm'.");
  file.get();  // one space ends the header
  picture.values.resize(3 * picture.height * picture.width);
  if (!file.read(reinterpret_cast<char*>(picture.values.data()), static_cast<std::streamsize>(picture.values.size())))
    throw std::runtime_error(path + " ends too early; get it again.");
  return picture;
}

void write(const std::string& path, const Picture& picture) {
  std::ofstream file(path, std::ios::binary);
  file << "P6\n" << picture.width << ' ' << picture.height << "\n255\n";
  file.write(reinterpret_cast<const char*>(picture.values.data()), static_cast<std::streamsize>(picture.values.size()));
  if (!file.flush()) throw std::runtime_error(path + " cannot be written; check its folder and the room.");
}

Picture restore(Ort::Session& session, const Picture& noisy) {
  const int64_t plane = noisy.height * noisy.width;
  std::vector<float> values(3 * plane);  // (1, 3, H, W), black 0 and white 1
  for (int64_t i = 0; i < plane; ++i)
    for (int64_t c = 0; c < 3; ++c) values[c * plane + i] = noisy.values[3 * i + c] / 255.0f;
  const std::vector<int64_t> shape{1, 3, noisy.height, noisy.width};
  const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  const auto input = Ort::Value::CreateTensor<float>(memory, values.data(), values.size(), shape.data(), shape.size());
  const char* inputs[] = {"noisy"};
  const char* outputs[] = {"restored"};
  const auto results = session.Run(Ort::RunOptions{nullptr}, inputs, &input, 1, outputs, 1);
  const float* restored = results.front().GetTensorData<float>();
  Picture picture = noisy;
  for (int64_t i = 0; i < plane; ++i)
    for (int64_t c = 0; c < 3; ++c)
      picture.values[3 * i + c] =
          static_cast<uint8_t>(std::lround(255.0f * std::clamp(restored[c * plane + i], 0.0f, 1.0f)));
  return picture;
}

int main(int count, char** words) {
  if (count != 4) {
    std::cerr << "usage: denoise model.onnx noisy.ppm restored.ppm\n";
    return 2;
  }
  try {
    Ort::Env environment(ORT_LOGGING_LEVEL_ERROR, "denoise");
    const std::string model = words[1];
    const std::basic_string<ORTCHAR_T> path(model.begin(), model.end());
    Ort::Session session(environment, path.c_str(), Ort::SessionOptions{});
    Ort::AllocatorWithDefaultOptions allocator;
    const auto licence = session.GetModelMetadata().LookupCustomMetadataMapAllocated("licence", allocator);
    write(words[3], restore(session, read(words[2])));
    if (licence) std::cout << "licence of the model: " << licence.get() << '\n';
  } catch (const std::exception& error) {
    std::cerr << "denoise: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
