using System.Globalization;
using Microsoft.Extensions.Primitives;

namespace HotModel.Api;

/// <summary>The header Prefer (RFC 7240), of which "wait" is understood.</summary>
internal static class PreferHeader
{
    /// <summary>The seconds of "wait=N". Null where it is not there, or is no whole number: a preference is no order.</summary>
    public static TimeSpan? Wait(StringValues header)
    {
        foreach (var line in header)
        {
            foreach (var preference in (line ?? "").Split(','))
            {
                // What follows a semicolon are parameters of the preference.
                var parts = preference.Split(';')[0].Split('=', 2);
                if (!parts[0].Trim().Equals("wait", StringComparison.OrdinalIgnoreCase))
                    continue;
                // The first one counts, says the RFC.
                return parts.Length == 2 && int.TryParse(
                    parts[1].Trim().Trim('"'), NumberStyles.None, CultureInfo.InvariantCulture, out var seconds)
                    ? TimeSpan.FromSeconds(seconds)
                    : null;
            }
        }
        return null;
    }
}
