using System.Text;

namespace HotModel.FunctionalTests.Harness;

/// <summary>A sound as a WAV file: 16 kHz, one channel, 16 bits.</summary>
internal static class Tone
{
    private const int Rate = 16_000;

    public static byte[] Wav(double seconds)
    {
        var samples = (int)(seconds * Rate);
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream, Encoding.ASCII);
        writer.Write("RIFF"u8);
        writer.Write(36 + (samples * 2));
        writer.Write("WAVEfmt "u8);
        writer.Write(16); // bytes of the format
        writer.Write((short)1); // PCM
        writer.Write((short)1); // channel
        writer.Write(Rate);
        writer.Write(Rate * 2); // bytes a second
        writer.Write((short)2); // bytes a sample
        writer.Write((short)16); // bits a sample
        writer.Write("data"u8);
        writer.Write(samples * 2);
        for (var i = 0; i < samples; i++)
            writer.Write((short)(8000 * Math.Sin(2 * Math.PI * 440 * i / Rate)));
        writer.Flush();
        return stream.ToArray();
    }
}
