using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using HotModel.Configuration;
using ZLogger;
using ZLogger.Formatters;

namespace HotModel.Logging;

/// <summary>Lines of HotModel's own log, plain or one JSON object each.</summary>
/// <param name="shape">Which of them.</param>
/// <param name="isJournal">systemd's journal reads them: it has a time of its own, and takes the priority from the line.</param>
/// <param name="time">For the lines that are nobody's entry.</param>
internal sealed class LogLines(LogFormat shape, bool isJournal, TimeProvider time)
{
    private const string Category = "HotModel.Logging";

    // The log is for people and tools that read UTF-8, not for a web page.
    private static readonly JsonWriterOptions JsonOptions = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly PlainTextZLoggerFormatter text = NewText(isJournal);

    public LineFormat<IZLoggerEntry> Format => new(Write, WriteLoss);

    private static PlainTextZLoggerFormatter NewText(bool isJournal)
    {
        var formatter = new PlainTextZLoggerFormatter();
        if (!isJournal)
        {
            formatter.SetPrefixFormatter($"{0:utc-longdate} {1:short} ",
                (in template, in info) => template.Format(info.Timestamp, info.LogLevel));
        }
        return formatter;
    }

    private void Write(IZLoggerEntry entry, ArrayBufferWriter<byte> lines)
    {
        var info = entry.LogInfo;
        if (isJournal)
            Text(lines, Priority(info.LogLevel));
        if (shape == LogFormat.Json)
            WriteJson(entry, info, lines);
        else
            text.FormatLogEntry(lines, entry);
        entry.Return();
        Text(lines, "\n");
    }

    private void WriteLoss(long count, ArrayBufferWriter<byte> lines)
    {
        var message = string.Create(
            CultureInfo.InvariantCulture, $"{count} lines of the log are missing: they could not be written");
        var now = time.GetUtcNow();
        if (isJournal)
            Text(lines, Priority(LogLevel.Warning));
        if (shape == LogFormat.Json)
        {
            using var json = new Utf8JsonWriter(lines, JsonOptions);
            json.WriteStartObject();
            WriteHead(json, now, LogLevel.Warning, Category);
            json.WriteString("message", message);
            json.WriteNumber("missing", count);
            json.WriteEndObject();
        }
        else
        {
            Text(lines, isJournal ? message
                : string.Create(CultureInfo.InvariantCulture, $"{now:yyyy-MM-dd HH:mm:ss.fff} WRN {message}"));
        }
        Text(lines, "\n");
    }

    private static void WriteJson(IZLoggerEntry entry, LogInfo info, ArrayBufferWriter<byte> lines)
    {
        using var json = new Utf8JsonWriter(lines, JsonOptions);
        json.WriteStartObject();
        WriteHead(json, info.Timestamp.Utc, info.LogLevel, info.Category.Name);
        // Without an id of its own a message has -1.
        if (info.EventId.Id > 0)
            json.WriteNumber("event", info.EventId.Id);
        json.WriteString("message", entry.ToString());
        if (entry.ParameterCount > 0)
        {
            json.WriteStartObject("values");
            for (var i = 0; i < entry.ParameterCount; i++)
                WriteValue(json, entry.GetParameterKeyAsString(i), entry.GetParameterValue(i));
            json.WriteEndObject();
        }
        if (info.Exception is { } exception)
            json.WriteString("exception", exception.ToString());
        json.WriteEndObject();
    }

    private static void WriteHead(Utf8JsonWriter json, DateTimeOffset at, LogLevel level, string category)
    {
        json.WriteString("time", at);
        json.WriteString("level", level switch
        {
            LogLevel.Trace => "trace",
            LogLevel.Debug => "debug",
            LogLevel.Information => "information",
            LogLevel.Warning => "warning",
            LogLevel.Error => "error",
            _ => "critical",
        });
        json.WriteString("category", category);
    }

    private static void WriteValue(Utf8JsonWriter json, string name, object? value)
    {
        switch (value)
        {
            case null:
                json.WriteNull(name);
                break;
            case bool flag:
                json.WriteBoolean(name, flag);
                break;
            case int or long:
                json.WriteNumber(name, Convert.ToInt64(value, CultureInfo.InvariantCulture));
                break;
            case double number when double.IsFinite(number):
                json.WriteNumber(name, number);
                break;
            default:
                json.WriteString(name, Convert.ToString(value, CultureInfo.InvariantCulture));
                break;
        }
    }

    /// <summary>As syslog counts.</summary>
    private static string Priority(LogLevel level) => level switch
    {
        LogLevel.Critical => "<2>",
        LogLevel.Error => "<3>",
        LogLevel.Warning => "<4>",
        LogLevel.Information => "<6>",
        _ => "<7>",
    };

    private static void Text(ArrayBufferWriter<byte> lines, string value) => Encoding.UTF8.GetBytes(value, lines);
}
