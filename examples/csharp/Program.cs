// Denoises a picture with a model that `unnoise export` wrote, by onnxruntime's C# interface.
//
//     dotnet run -- model.onnx noisy.ppm restored.ppm
//
// Pictures are binary PPM with 8 bits (P6), so that nothing but onnxruntime is needed.

using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

if (args.Length != 3)
{
    Console.Error.WriteLine("usage: denoise model.onnx noisy.ppm restored.ppm");
    return 2;
}
try
{
    using var session = new InferenceSession(args[0]);
    var (height, width, noisy) = Pictures.Read(args[1]);
    var shown = new DenseTensor<float>(new[] { 1, 3, height, width }); // black 0 and white 1
    for (var i = 0; i < height * width; i++)
        for (var c = 0; c < 3; c++)
            shown.Buffer.Span[c * height * width + i] = noisy[3 * i + c] / 255f;
    using var results = session.Run(new[] { NamedOnnxValue.CreateFromTensor("noisy", shown) });
    var restored = results.First().AsEnumerable<float>().ToArray();
    var pixels = new byte[noisy.Length];
    for (var i = 0; i < height * width; i++)
        for (var c = 0; c < 3; c++)
            pixels[3 * i + c] = (byte)MathF.Round(255f * Math.Clamp(restored[c * height * width + i], 0f, 1f));
    Pictures.Write(args[2], height, width, pixels);
    if (session.ModelMetadata.CustomMetadataMap.TryGetValue("licence", out var licence))
        Console.WriteLine($"licence of the model: {licence}");
    return 0;
}
catch (Exception error) when (error is OnnxRuntimeException or IOException or InvalidDataException)
{
    Console.Error.WriteLine($"denoise: {error.Message}");
    return 1;
}

internal static class Pictures
{
    /// <summary>Height, width and values (H, W, 3) of a binary PPM file.</summary>
    public static (int Height, int Width, byte[] Values) Read(string path)
    {
        using var file = File.OpenRead(path);
        var words = Enumerable.Range(0, 4).Select(_ => Word(file)).ToArray();
        if (words[0] != "P6" || words[3] != "255" || !int.TryParse(words[1], out var width) || !int.TryParse(words[2], out var height))
            throw new InvalidDataException($"{path} is no binary PPM file with 8 bits; convert it.");
        var values = new byte[3 * height * width];
        file.ReadExactly(values);
        return (height, width, values);
    }

    public static void Write(string path, int height, int width, byte[] values)
    {
        using var file = File.Create(path);
        file.Write(System.Text.Encoding.ASCII.GetBytes($"P6\n{width} {height}\n255\n"));
        file.Write(values);
    }

    // One word of the header; the space after it is read, too.
    private static string Word(Stream file)
    {
        var word = "";
        for (int value; (value = file.ReadByte()) > ' ';)
            word += (char)value;
        return word;
    }
}
