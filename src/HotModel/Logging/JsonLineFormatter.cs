using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using ZLogger;

namespace HotModel.Logging;

/// <summary>An entry as a JSON object on a line of its own.</summary>
/// <remarks>ZLogger's own needs reflection for values that are no numbers or texts, and loses the line without it.</remarks>
internal sealed class JsonLineFormatter : IZLoggerFormatter
{
    // Nobody puts it into a web page, and people read it.
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public bool WithLineBreak => true;

    public void FormatLogEntry(IBufferWriter<byte> writer, IZLoggerEntry entry)
    {
        var info = entry.LogInfo;
        using var json = new Utf8JsonWriter(writer, Options);
        json.WriteStartObject();
        json.WriteString("time", info.Timestamp.Utc);
        json.WriteString("level", Word(info.LogLevel));
        json.WriteString("category", info.Category.ToString());
        if (info.EventId.Id > 0)
            json.WriteNumber("event", info.EventId.Id);
        json.WriteString("message", entry.ToString());
        if (entry.ParameterCount > 0)
        {
            json.WriteStartObject("values");
            for (var i = 0; i < entry.ParameterCount; i++)
                Write(json, entry.GetParameterKeyAsString(i), entry.GetParameterValue(i));
            json.WriteEndObject();
        }
        if (info.Exception is { } exception)
            json.WriteString("exception", exception.ToString());
        json.WriteEndObject();
    }

    /// <summary>The line that says how many are missing.</summary>
    public static string Gap(long missing, DateTimeOffset now)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("time", now);
            json.WriteString("level", Word(LogLevel.Warning));
            json.WriteString("message", LogSetup.GapText(missing));
            json.WriteEndObject();
        }
        return System.Text.Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    private static string Word(LogLevel level) => level.ToString().ToLowerInvariant();

    private static void Write(Utf8JsonWriter json, string name, object? value)
    {
        switch (value)
        {
            case null: json.WriteNull(name); break;
            case bool flag: json.WriteBoolean(name, flag); break;
            case int number: json.WriteNumber(name, number); break;
            case long number: json.WriteNumber(name, number); break;
            case double number when double.IsFinite(number): json.WriteNumber(name, number); break;
            case TimeSpan span: json.WriteNumber(name, span.TotalSeconds); break;
            default: json.WriteString(name, value.ToString()); break;
        }
    }
}
