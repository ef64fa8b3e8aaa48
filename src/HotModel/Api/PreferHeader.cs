using System.Globalization;
using Microsoft.Extensions.Primitives;

namespace HotModel.Api;

/// <summary>The header Prefer (RFC 7240), of which "wait" is understood.</summary>
internal static class PreferHeader
{
    /// <summary>The seconds of "wait=N". Null where it is not there, or is no whole number: a preference is no order.</summary>
    public static TimeSpan? Wait(StringValues header)
    {
        foreach (string? line in header)
        {
            ReadOnlySpan<char> rest = line;
            while (!rest.IsEmpty)
            {
                ReadOnlySpan<char> preference = Cut(ref rest, ',');
                // What follows a semicolon are parameters of the preference.
                ReadOnlySpan<char> value = Cut(ref preference, ';');
                ReadOnlySpan<char> name = Cut(ref value, '=');
                // The first one counts, says the RFC.
                if (name.Trim().Equals("wait", StringComparison.OrdinalIgnoreCase))
                    return SecondsOf(value.Trim());
            }
        }
        return null;
    }

    /// <summary>Takes all up to the separator, or to the end; within quotes it is none.</summary>
    private static ReadOnlySpan<char> Cut(ref ReadOnlySpan<char> text, char separator)
    {
        ReadOnlySpan<char> whole = text;
        bool isQuoted = false;
        for (int i = 0; i < whole.Length; i++)
        {
            if (whole[i] == '"')
            {
                isQuoted = !isQuoted;
            }
            else if (isQuoted && whole[i] == '\\')
            {
                i++;
            }
            else if (!isQuoted && whole[i] == separator)
            {
                text = whole[(i + 1)..];
                return whole[..i];
            }
        }
        text = [];
        return whole;
    }

    private static TimeSpan? SecondsOf(ReadOnlySpan<char> word)
    {
        if (word is ['"', .. var inner, '"'])
            word = inner;
        return int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out int seconds)
            ? TimeSpan.FromSeconds(seconds)
            : null;
    }
}
